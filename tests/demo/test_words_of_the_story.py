"""What the story looks for in a message stands in that message."""

from datetime import UTC, datetime

from almanac.alerts.message import approval_message
from almanac.journal.records import RunRef
from demo.promotion_steps import ASKED


def test_story_recognises_the_alert_of_a_question() -> None:
    message = approval_message(
        model="weather",
        run=RunRef("train_weather", "r"),
        task_id="approve",
        question="Promote weather version 2?",
        deadline="tomorrow",
        silence="no answer means a no",
        link="http://x",
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert ASKED in message.subject
