"""A cluster for real on this machine: hosts as network namespaces, Redis, PostgreSQL, Celery workers, one warehouse."""
