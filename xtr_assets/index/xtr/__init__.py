"""The parts of the late-interaction index; `xtr_assets.index.tokens.TokenIndex` puts them together.

model      what is trained once and shared by segments: token mean, centroids, residual codec
training   how it is trained, from a bounded deterministic sample
postings   the token lists of one segment under a model, raw arrays that are memory-mapped
query      a query in integers: the same numbers whichever backend computes
reference  retrieval and rescoring in numpy: the maths
compiled   retrieval in numba: the same results, faster
backends   which of them serves
plan       how a search is run: profile, scan or probes
folder     a standalone index on disk
"""
