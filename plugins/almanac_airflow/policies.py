"""Which errors are retried, and when."""

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from almanac.errors import PermanentError, TransientError

RETRIES = 3

# Anything else (a bug, a killed process) falls through to the task's own retries.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=PermanentError, action=RetryAction.FAIL, reason="a retry cannot help"),
        RetryRule(exception=TransientError, action=RetryAction.RETRY, reason="a transient error"),
    ]
)


def retry_args(retries: int = RETRIES) -> dict[str, Any]:
    """The arguments by which every task of a DAG is retried."""
    return {
        "retries": retries,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": 3,  # 5 s, 15 s, 45 s
        "max_retry_delay": timedelta(minutes=10),
        "retry_policy": RETRY_POLICY,
    }
