"""What all tasks have in common: which errors are tried again and when, and how they get into the places."""

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from almanac.errors import PermanentError, TransientError
from almanac_airflow.access.places import enter_places

RETRIES = 3

# Anything else (a bug, a killed process) falls through to the task's own retries.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=PermanentError, action=RetryAction.FAIL, reason="trying again cannot help"),
        RetryRule(exception=TransientError, action=RetryAction.RETRY, reason="a passing fault"),
    ]
)

DEFAULT_ARGS = {
    "retries": RETRIES,
    "retry_delay": timedelta(seconds=5),
    "retry_exponential_backoff": 3,  # 5 s, 15 s, 45 s
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": RETRY_POLICY,
    "pre_execute": enter_places,
}
