"""What is done again and again, and how often. Read by `workers.scheduler`.

Every job here can run twice at once without harm, so that several schedulers may run.
"""

from rq.cron import register

from config.settings import settings
from workers import jobs
from workers.queues import MAINTENANCE

_SWEEP = settings().sweep_interval
_RECOVERY = settings().recovery_interval

# A sweep that found no worker in time is dropped: the next one does its work. Without this they
# would pile up while no worker runs.
register(jobs.sweep, MAINTENANCE, interval=_SWEEP, ttl=_SWEEP, job_timeout=60, result_ttl=0)
register(jobs.clear_up, MAINTENANCE, interval=60, ttl=60, job_timeout=300, result_ttl=0)
register(jobs.delete_old, MAINTENANCE, cron="17 3 * * *", ttl=3600, job_timeout=3600, result_ttl=0)
register(
    jobs.reconcile,
    MAINTENANCE,
    interval=_RECOVERY,
    ttl=_RECOVERY,
    job_timeout=900,
    result_ttl=0,
)
register(
    jobs.sweep_previews, MAINTENANCE, cron="43 2 * * *", ttl=3600, job_timeout=300, result_ttl=0
)
register(
    jobs.redeliver_missed,
    MAINTENANCE,
    interval=_RECOVERY,
    ttl=_RECOVERY,
    job_timeout=180,
    result_ttl=0,
)
