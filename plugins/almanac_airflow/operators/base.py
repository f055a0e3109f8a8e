"""What all operators and sensors of Almanac have in common; see `docs/your-own-dag.md`."""

import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset, BaseOperator, ExceptionRetryPolicy
from airflow.sdk.definitions.context import Context

from almanac.config.files.loader import find_declared, find_model
from almanac.config.home import Home
from almanac.config.schema import Declared, Model
from almanac.errors import AlmanacError
from almanac_airflow import assets
from almanac_airflow.access.credentials import load_connections
from almanac_airflow.policies import RETRY_POLICY
from almanac_airflow.runs import run_context

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext

RESULT = "return_value"
"""The XCom key of what a task returns: pages and links read it, also of a task that has failed."""

_ATTRIBUTES = {"dry_run": "preview"}  # by the names of forms; Airflow's operators have a method `dry_run`


class InstallationOperator(BaseOperator):
    """A step of Almanac as a task of any DAG.

    A subclass only says what it needs, and does its work in `work`. Its parameters are kept in attributes of the same
    names, as Airflow's templates and mapped tasks require.

    Errors: a `PermanentError` fails the task at once, a `TransientError` is retried as often as the task's `retries`
    allow. Skipped: where the class says so; the log says why.

    Args:
        from_form: take what is not given here from the form of the run (`params` of the DAG), by the same names.
        doc_md: what Airflow shows of the task; by default the first sentence of the class.
        retry_policy: which errors are retried.
        pre_execute: called before the work; loads the credentials of the installation's services. A DAG that sets its
            own must call `almanac_airflow.access.credentials.load_connections` in it.
    """

    template_fields: Sequence[str] = ()
    options: ClassVar[Mapping[str, Any]] = {}
    """The parameters that a person may enter in a form, and what counts where nobody gives one."""

    def __init__(
        self,
        *,
        from_form: bool = False,
        doc_md: str | None = None,
        retry_policy: ExceptionRetryPolicy | None = RETRY_POLICY,
        pre_execute: Any = load_connections,
        **more: Any,
    ) -> None:
        super().__init__(
            doc_md=doc_md or summary_of(type(self)), retry_policy=retry_policy, pre_execute=pre_execute, **more
        )
        self.from_form = from_form

    def execute(self, context: Context) -> Any:
        """Do the work, with a context of the run that is made once."""
        return self.work(run_context(Home(), context), context)

    @abstractmethod
    def work(self, at: "RunContext", context: Context) -> Any:
        """What the operator does; gives small JSON for XCom.

        Args:
            at: the installation, its journal and registry, the run, and the time.
            context: Airflow's.
        """

    def form(self, context: Context) -> dict[str, Any]:
        """The options: what the DAG's author gives, else what a person has entered, else the default."""
        entered = context["params"] if self.from_form else {}
        chosen: dict[str, Any] = {}
        for name, default in self.options.items():
            given = getattr(self, _ATTRIBUTES.get(name, name))
            chosen[name] = entered.get(name, default) if given is None or given == "" else given
        return {name: text_of(value) for name, value in chosen.items()}


class ModelOperator(InstallationOperator):
    """A step for one model.

    The tab *Rendered Template* of the task shows the part of the model's declaration that the run used, with defaults
    and profile laid over it. A declaration holds no secrets: only the names of connections.

    Args:
        model: the name of a declared model; may be a template.
        inlets: assets, besides those that the class reads.
        outlets: assets, besides those that the class writes. The class's own are known only where `model` is a plain
            name: not of a template, and not of a mapped task that differs in it.
        dataset_of: the model whose dataset the step reads, where the model shares it; for the inlets.
    """

    template_fields: Sequence[str] = ("model", "declaration")
    template_fields_renderers: ClassVar[dict[str, str]] = {"declaration": "json"}
    sections: ClassVar[tuple[str, ...]] = ()
    """Of the declaration, that the step works by."""
    reads: ClassVar[tuple[str, ...]] = ()
    """The assets of the model that the step reads: `dataset`, `champion`, ..."""
    inputs: ClassVar[tuple[str, ...] | None] = None
    """The assets whose content the step uses, for tools of lineage; None: those of `reads`."""
    writes: ClassVar[tuple[str, ...]] = ()
    """The assets of the model whose events the step emits."""

    def __init__(
        self,
        *,
        model: str,
        inlets: Sequence[Any] | None = None,
        outlets: Sequence[Any] | None = None,
        dataset_of: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(
            inlets=[*(inlets or ()), *assets_of(model, self.reads, dataset_of)],
            outlets=[*(outlets or ()), *assets_of(model, self.writes)],
            **more,
        )
        self.model = model
        self.declaration: dict[str, Any] = {}
        self.noted: dict[str, dict[str, Any]] = {}
        self.announced: dict[str, dict[str, Any]] = {}
        self.checked: list[dict[str, Any]] = []

    def _do_render_template_fields(self, parent: Any, *rest: Any, **more: Any) -> None:
        """Airflow calls it before the work, also of a mapped task, and shows what the fields are then."""
        super()._do_render_template_fields(parent, *rest, **more)
        try:
            self.declaration = shown(self.found(), self.sections)
        except AlmanacError as error:  # raised again by the work; the tab says so, too
            self.declaration = {"error": str(error)}

    def found(self) -> Declared:
        """The declaration, of a model of any kind.

        Raises:
            ConfigError: there is none of this name, or it cannot be read.
        """
        return find_declared(Home().models, str(self.model))

    def declared(self) -> Model:
        """The declaration of a model that predicts a label.

        Raises:
            ConfigError: there is none of this name, it cannot be read, or it is a forecast.
        """
        return find_model(Home().models, str(self.model))

    def announce(self, context: Context, what: str, extra: Mapping[str, Any]) -> None:
        """Say what the event of one of `writes` carries; it is emitted when the task succeeds."""
        self.announced[what] = dict(extra)
        context["outlet_events"][assets.of_model(str(self.model), what)].extra = dict(extra)

    def note_read(self, what: str, **facts: Any) -> None:
        """Say which version of one of `reads` the step has read, by the names of that asset's events, and `rows_read`.

        Read by tools of lineage only.
        """
        self.noted[what] = facts

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """What was read and written; Airflow's OpenLineage provider asks for it when the task has ended in any way."""
        from almanac_airflow.lineage import lineage_of

        return lineage_of(self)


def text_of(value: Any) -> Any:
    """A time as text; anything else as it is."""
    return value.isoformat() if isinstance(value, datetime) else value


def assets_of(model: Any, names: Sequence[str], dataset_of: str | None = None) -> list[Asset]:
    """The assets of a model, with the dataset that it shares; none while its name is not known."""
    known = isinstance(model, str) and "{" not in model
    owners = {"dataset": dataset_of or model}
    return [assets.of_model(owners.get(name, model), name) for name in names] if known else []


def shown(model: Declared, sections: Sequence[str]) -> dict[str, Any]:
    """Sections of a declaration as plain JSON; without sections nothing."""
    return model.model_dump(mode="json", include=set(sections), exclude_none=True)


def summary_of(operator: type) -> str:
    """The first paragraph of a class's docstring."""
    return inspect.cleandoc(operator.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
