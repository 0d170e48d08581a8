"""Token search with torch on a GPU: it chooses candidates; the scores are those of the CPU's integers.

`rows` scans every document in float16 where the int8 rows fit the memory bound; `centroids` scores every document by
its tokens' centroids where only those fit. Either way what is returned was scored by the CPU's backend, so that a GPU
changes which rows are looked at, never what a row scores. torch is imported only where a CUDA driver was found.
"""
