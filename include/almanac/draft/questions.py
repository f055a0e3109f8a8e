"""What a file cannot say of itself: each is a question with a proposal, and an option of the command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from almanac.config.grammar.arrival_columns import TIME_WORD
from almanac.config.grammar.types import format_duration, parse_duration
from almanac.draft.draft import Wish, find_label
from almanac.draft.reading import Reading
from almanac.draft.roles import CLASSES, can_be_classes, label_values, propose_label, propose_value
from almanac.draft.sections import default_horizon
from almanac.draft.table import Table, look_at_cells
from almanac.draft.times import AmbiguousTimesError, NoTimesError
from almanac.errors import ConfigError

NUMBER = "number"
"""The answer to what counts as yes: nothing does, the number itself is predicted."""


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        option: of the command line that answers it.
        text: for people.
        proposal: what is taken where nobody says anything else.
        why: of the proposal.
        choices: all possible answers, where they are few.
        has_default: whether a program need not answer it.
    """

    option: str
    text: str
    proposal: str
    why: str
    choices: tuple[str, ...] = ()
    has_default: bool = False

    def check(self, answer: str) -> str:
        """The answer as it is used.

        Raises:
            ConfigError: it is none of the choices.
        """
        if self.choices and answer not in self.choices:
            raise ConfigError(f"{self.option}: got {answer!r}, expected one of {list(self.choices)}")
        return answer


@dataclass(frozen=True, eq=False)
class Conversation:
    """The wish with every answer, the table, and what was asked with the answers."""

    wish: Wish
    table: Table
    answers: Mapping[Question, str]


class UnansweredError(ConfigError):
    """A question that has no default, and nobody to answer it.

    Args:
        questions: the first one without an answer, and those that are known to come.
    """

    def __init__(self, questions: tuple[Question, ...]) -> None:
        self.questions = questions
        lines = [f"  {one.option} {one.proposal!r}: {one.text} ({one.why}){_choices(one)}" for one in questions]
        super().__init__(
            "draft: the file does not say everything. Give these options, or --yes to take what is proposed:\n"
            + "\n".join(lines)
        )


def _choices(question: Question) -> str:
    return f"; one of {', '.join(question.choices)}" if question.choices else ""


def converse(
    reading: Reading,
    wish: Wish,
    ask: Callable[[Question, Table | None], str | None],
) -> Conversation:
    """Ask what is unknown until nothing is.

    Args:
        reading: of the files.
        wish: what was said before.
        ask: gives an answer to a question; None: nobody answers, and its default is taken. It is given the table too,
            as soon as that is known.

    Raises:
        UnansweredError: a question without a default has no answer.
        ConfigError: an answer cannot be; see also `look_at_cells`.
        DataError: see `look_at_cells`.
    """
    answers: dict[Question, str] = {}

    def answered(question: Question, table: Table | None) -> str:
        answer = ask(question, table)
        if answer is None and not question.has_default:
            raise UnansweredError((question,))
        answers[question] = question.check(question.proposal if answer is None else answer)
        return answers[question]

    try:
        table = look_at_cells(reading, wish.form)
    except AmbiguousTimesError as error:
        form = answered(_format_question(error), None)
        wish = replace(wish, declared=replace(wish.declared, time_format=form))
        table = look_at_cells(reading, wish.form)
    except NoTimesError as error:
        if wish.declared.time is not None or wish.horizon:
            raise
        time = answered(_time_question(error), None)
        wish = replace(wish, declared=replace(wish.declared, time=time))
        table = look_at_cells(reading, wish.form)
    if not wish.label:
        wish = replace(wish, label=answered(_label_question(table), table))
    wish = _with_value(wish, table, answered)
    if wish.horizon is None and table.times is None:
        wish = replace(wish, horizon=timedelta(0))  # there is no ahead
    if wish.horizon is None:
        wish = replace(wish, horizon=_horizon(answered(_horizon_question(table, wish), table)))
    return Conversation(wish, table, answers)


def _with_value(wish: Wish, table: Table, answered: Callable[[Question, Table], str]) -> Wish:
    label = find_label(table, wish.label)
    if label is None or wish.equals is not None or wish.as_number or wish.as_classes:
        return wish
    values, proposal = label_values(table, label), propose_value(table, label)
    if proposal is None or not values:
        return wish
    numbers = (NUMBER,) if label.type != "string" else ()
    several = (CLASSES,) if can_be_classes(values) else ()
    question = Question(
        "--equals",
        f"Which value of {label.name} counts as yes?{' Or classes: which of them it is' if several else ''}",
        proposal,
        f"it has {len(values)} values" if several else "the value that says yes, or the rarest",
        (*values, *numbers, *several),
    )
    answer = answered(question, table)
    if numbers and answer == NUMBER:
        return replace(wish, as_number=True)
    return replace(wish, as_classes=True) if several and answer == CLASSES else replace(wish, equals=answer)


def _time_question(error: NoTimesError) -> Question:
    return Question(
        "--time",
        f"{error} Which column says when each row was?",
        TIME_WORD,
        "none does: the arrival of each file stands for it, and a hash draws the rows that judge",
    )


def _format_question(error: AmbiguousTimesError) -> Question:
    return Question(
        "--time-format",
        f"{error.column} can be read in {len(error.formats)} ways in all rows, for example {error.example!r}. Which is"
        " right?",
        error.formats[0],
        "the first of them; nothing in the file tells them apart",
        error.formats,
    )


def _label_question(table: Table) -> Question:
    proposal, why = propose_label(table)
    if not proposal:
        found = [seen.name for seen in table.columns]
        raise ConfigError(f"{table.name}: no column that could be predicted; got {found} beside the time")
    whose = {*table.key, *table.group}
    names = tuple(seen.name for seen in table.columns if not seen.constant and seen.name not in whose)
    return Question("--label", "Which column should be predicted?", proposal, why, names)


def _horizon_question(table: Table, wish: Wish) -> Question:
    step = default_horizon(table)
    why = "one step" if step else "each row is an event of its own, with its own label"
    text = f"How far ahead should {wish.label} be predicted? 0s: for its own row"
    return Question("--horizon", text, format_duration(step), why, has_default=True)


def _horizon(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--horizon: {error}") from error
