"""The parts of the late-interaction index; `xtr_assets.index.late.index.TokenIndex` puts them together.

centroids    TokenModel: what is trained once and shared by segments (token mean, centroids, residual levels)
training     how it is trained, from a bounded deterministic sample
postings     the documents of one segment by centroid, raw arrays that are memory-mapped
residual_codec  rows of five bits a dimension, decoded where they are read
query        a query in integers: the same numbers whichever backend computes
backends/    reference (numpy: the maths), numba, native (C++); `choice` says which of them serves
options      how a search is run: profile, scan or probes
serialization  a standalone index on disk
"""
