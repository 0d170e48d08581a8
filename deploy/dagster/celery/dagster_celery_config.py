"""What a worker's Celery is told; `dagster_celery.app` reads the module of this name from the Python path.

PYTHONPATH=deploy/dagster/celery celery -A dagster_celery.app worker --concurrency 2 -Q dagster
"""

import os

broker_url = result_backend = os.environ["DAGSTER_BROKER_URL"]

# One run at a time for each slot, none kept back: what waits behind a long encode could run on another host.
worker_prefetch_multiplier = 1

# A worker that cannot reach the broker tries for ever, at the start too: who restarts the broker restarts no worker.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_transport_options = {
    # As in dagster.yaml.
    "visibility_timeout": 43200,
    "socket_keepalive": True,
    "socket_connect_timeout": 10,
    "socket_timeout": 30,
    "health_check_interval": 10,
}

# A process of a worker ends after so many runs, and with it what libraries keep.
worker_max_tasks_per_child = 50
