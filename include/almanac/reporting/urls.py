"""Where the pages are, and where Airflow's own are."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from almanac.journal.records import RunRef

MOUNT = "/almanac"
"""Where the pages hang in Airflow's web server."""


@dataclass(frozen=True)
class Urls:
    """Makes links. All texts in them are quoted.

    Attributes:
        root: the path of the pages, without a slash at the end.
        airflow: the path of Airflow's UI; None where its pages cannot be opened (within a frame of Airflow's own).
    """

    root: str
    airflow: str | None

    @property
    def home(self) -> str:
        """What needs attention, of all models."""
        return f"{self.root}/"

    def filtered(self, **query: str) -> str:
        """The start page with some of its rows."""
        return _with(self.home, query)

    @property
    def search(self) -> str:
        """What a text names."""
        return f"{self.root}/search"

    def model(self, model: str) -> str:
        """One model."""
        return f"{self.root}/models/{quote(model, safe='')}"

    def batches(self, model: str) -> str:
        """The batches of a model."""
        return f"{self.root}/models/{quote(model, safe='')}/batches"

    def batch(self, model: str, batch_id: str) -> str:
        """One batch, by its id or the beginning of it."""
        return f"{self.batches(model)}/{quote(batch_id, safe='')}"

    def data_docs(self, model: str, batch_id: str) -> str:
        """One batch as Great Expectations documents it."""
        return f"{self.batch(model, batch_id)}/data-docs"

    def reports(self, model: str) -> str:
        """The reports of a model."""
        return f"{self.root}/models/{quote(model, safe='')}/reports"

    def report(self, model: str, name: str) -> str:
        """One report, by its file's name."""
        return f"{self.reports(model)}/{quote(name, safe='')}"

    def windows(self, model: str, **query: str) -> str:
        """The windows of a model."""
        return _with(f"{self.root}/models/{quote(model, safe='')}/windows", query)

    def rollouts(self, model: str) -> str:
        """The rollouts of a model."""
        return f"{self.root}/models/{quote(model, safe='')}/rollouts"

    def journal(self, model: str = "", **query: str) -> str:
        """Decisions, alerts and promotions."""
        return _with(f"{self.root}/journal", {"model": model, **query})

    @property
    def backups(self) -> str:
        """What is backed up, and how well proven it is."""
        return f"{self.root}/backups"

    @property
    def storage(self) -> str:
        """How large everything is, and after how long it goes."""
        return f"{self.root}/storage"

    @property
    def search_indexes(self) -> str:
        """What is known of the search services."""
        return f"{self.root}/search-indexes"

    def run(self, dag_id: str, run_id: str) -> str:
        """What one run did."""
        return _with(f"{self.root}/run", {"dag_id": dag_id, "run_id": run_id})

    def airflow_run(self, run: RunRef) -> str:
        """The run in Airflow; empty where it cannot be opened, or where it was no run of Airflow's."""
        if self.airflow is None or not run.dag_id or " " in run.dag_id:
            return ""
        return f"{self.airflow}/dags/{quote(run.dag_id, safe='')}/runs/{quote(run.run_id, safe='')}"

    def airflow_dag(self, dag_id: str) -> str:
        """A DAG in Airflow; empty where it cannot be opened."""
        return "" if self.airflow is None else f"{self.airflow}/dags/{quote(dag_id, safe='')}"


def pages_beside(airflow_url: str) -> Urls | None:
    """The pages below the address that an Airflow page has; None when it is no page of a DAG.

    For messages and files, which are read where no path leads to the server.
    """
    address, dags, _ = airflow_url.partition("/dags/")
    return Urls(f"{address}{MOUNT}", address) if address and dags else None


def report_page(model: str, uri: str, airflow_url: str) -> str:
    """The address of a report where people can open it, below that of an Airflow page; else the place of its file."""
    pages = pages_beside(airflow_url)
    return pages.report(model, uri.rsplit("/", 1)[-1]) if pages and uri else uri


def _with(path: str, query: dict[str, str]) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path
