"""The parts of the late-interaction index; `xtr_assets.index.late.index.TokenIndex` puts them together.

model      what is trained once and shared by segments: token mean, centroids, residual codec
training   how it is trained, from a bounded deterministic sample
postings   the documents of one segment by centroid, raw arrays that are memory-mapped
compact    rows of five bits a dimension, decoded where they are read
query      a query in integers: the same numbers whichever backend computes
reference  retrieval and rescoring in numpy: the maths
compiled   retrieval in numba: the same results, faster
native     all of it in the C++ extension: the same results, faster still
backends   which of them serves
plan       how a search is run: profile, scan or probes
folder     a standalone index on disk
"""
