"""The parts of the lexical index; `xtr_assets.index.lexical.index.LexicalIndex` puts them together.

postings         the documents of one segment by term, raw arrays that are memory-mapped
postings_writer  how they are written
bm25             the maths: what a term, its count in a document and the document's length are worth
collection       what BM25 knows of a whole that an index is a part of
list_scan        lists read, in NumPy or in C++: scores of all rows, the best of them, scores of given rows
"""
