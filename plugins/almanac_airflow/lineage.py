"""What steps have read and written, as OpenLineage describes it, for catalogues of other makers.

Airflow's OpenLineage provider calls these functions in the process of a task, where a receiver is configured; nothing
here is imported otherwise. A dataset of OpenLineage is an asset of a model (`almanac://weather/dataset`): its namespace
is `almanac://` with the namespace that the provider is configured with, so that two installations are told apart.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from airflow.sdk import Asset

from almanac.config.home import Home
from almanac.errors import AlmanacError

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset

    from almanac.config.schema import Declared
    from almanac_airflow.operators.base import ModelOperator

Facts = Mapping[str, Any]
"""What is known of one asset: the content of its event, or of what a step has read of it."""

# By the kind of the asset: which of its facts is its version, and which counts its rows.
_VERSIONS = {
    "dataset": "dataset_version",
    "predictions": "predictions_version",
    "champion": "version",
    "challenger": "version",
    "training": "mlflow_run_id",
}
_ROWS = {"dataset": "published_rows", "predictions": "rows"}
_OF_OWNER = ("dataset", "landing", "quarantine")  # of a shared dataset: those of the model that it belongs to
_TABLES = {"dataset": Home.dataset_of, "predictions": Home.predictions_of, "landing": Home.landing_of}


def lineage_of(operator: "ModelOperator") -> "OperatorLineage[Any, Any]":
    """The assets that a step has read, and those that it has written: announced by an event, so none when it failed.

    Args:
        operator: after its work.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    model = str(operator.model)
    used = operator.reads if operator.inputs is None else operator.inputs
    read: list[InputDataset] = [as_input(model, what, operator.noted.get(what, {})) for what in used]
    tables = [_checked_table(facts) for facts in operator.checked]
    written = [output for what, facts in operator.announced.items() for output in as_outputs(model, what, facts)]
    return OperatorLineage(inputs=[*read, *tables], outputs=written)


def as_input(model: str, what: str, facts: Facts) -> "InputDataset":
    """An asset that was read, with the version and the number of rows as far as the step has noted them."""
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import input_statistics_input_dataset as statistics

    rows = facts.get("rows_read")
    counted: dict[str, Any] = {}
    if rows is not None:
        counted["inputStatistics"] = statistics.InputStatisticsInputDatasetFacet(rowCount=rows)
    return InputDataset(**_name_of(model, what), facets=_facets(model, what, facts), inputFacets=counted)


def as_outputs(model: str, what: str, facts: Facts) -> Iterable["OutputDataset"]:
    """An asset that was written, with its version and the rows that were added; and the rows put into quarantine."""
    yield _output(model, what, facts, facts.get(_ROWS.get(what, "")))
    if what == "dataset" and facts.get("quarantined_rows"):
        yield _output(model, "quarantine", {}, facts["quarantined_rows"])


def to_openlineage(asset: Asset, _: Any) -> "Dataset | None":
    """An asset of Almanac, for tasks that name it as inlet or outlet; the provider finds this function by its scheme.

    Args:
        asset: `almanac://<model>/<what>`; `extra` of an event that was emitted adds version and rows.
    """
    parts = urlsplit(str(asset.uri))
    what = unquote(parts.path).strip("/")
    if parts.scheme != "almanac" or not parts.netloc or not what:
        return None
    return next(iter(as_outputs(unquote(parts.netloc), what, asset.extra or {})))


def _output(model: str, what: str, facts: Facts, rows: int | None) -> "OutputDataset":
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    counted: dict[str, Any] = {}
    if rows is not None:
        counted["outputStatistics"] = statistics.OutputStatisticsOutputDatasetFacet(rowCount=rows)
    return OutputDataset(**_name_of(model, what), facets=_facets(model, what, facts), outputFacets=counted)


def _name_of(model: str, what: str) -> dict[str, str]:
    from airflow.providers.openlineage import conf

    return {"namespace": f"almanac://{conf.namespace()}", "name": f"{_whose(model, what)}/{what}"}


def _whose(model: str, what: str) -> str:
    """The model itself, or the one whose dataset it shares."""
    declared = _declared(model) if what in _OF_OWNER else None
    return model if declared is None else declared.dataset_owner


def _facets(model: str, what: str, facts: Facts) -> dict[str, Any]:
    """Version, schema, owner and place, as far as they are known; a model without a declaration has none of these."""
    from openlineage.client import facet_v2 as known
    from openlineage.client.facet_v2 import dataset_version_dataset, ownership_dataset

    facets: dict[str, Any] = {}
    version = facts.get(_VERSIONS.get(what, ""))
    if version is not None:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(version))
    if what in _TABLES:
        place = place_of(_TABLES[what](Home(), _whose(model, what)))
        facets["symlinks"] = known.symlinks_dataset.SymlinksDatasetFacet(
            identifiers=[known.symlinks_dataset.Identifier(**place, type="LOCATION")]
        )
    declared = _declared(model)
    if declared is not None:
        owner = ownership_dataset.Owner(name=declared.owner)
        facets["ownership"] = ownership_dataset.OwnershipDatasetFacet(owners=[owner])
        if what == "dataset":
            facets["schema"] = known.schema_dataset.SchemaDatasetFacet(
                fields=[
                    known.schema_dataset.SchemaDatasetFacetFields(
                        name=name, type=column.type, description=column.description or None
                    )
                    for name, column in declared.dataset.columns.items()
                ]
            )
    return facets


def _declared(model: str) -> "Declared | None":
    from almanac.config.files.loader import find_declared

    try:
        return find_declared(Home().models, model)
    except AlmanacError:  # the task itself says so, and an event without a schema is better than none
        return None


def _checked_table(verdict: Facts) -> "InputDataset":
    """A table that was checked: its rows, and each rule that was broken."""
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as assertions
    from openlineage.client.facet_v2 import dataset_version_dataset
    from openlineage.client.facet_v2 import input_statistics_input_dataset as statistics

    broken = [
        assertions.Assertion(
            assertion=rule.rpartition(".")[2],
            success=False,
            column=rule.rpartition(".")[0] or None,
            description=f"{count} of {verdict['rows']} rows break it",
        )
        for rule, count in verdict["broken_rules"].items()
    ]
    whole = assertions.Assertion(
        assertion="declared rules", success=bool(verdict["passed"]), description="; ".join(verdict["reasons"]) or None
    )
    version = verdict["version"]
    facets: dict[str, Any] = {}
    if version is not None:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(version))
    return InputDataset(
        **place_of(str(verdict["uri"])),
        facets=facets,
        inputFacets={
            "inputStatistics": statistics.InputStatisticsInputDatasetFacet(rowCount=verdict["rows"]),
            "dataQualityAssertions": assertions.DataQualityAssertionsDatasetFacet(assertions=[whole, *broken]),
        },
    )


def place_of(location: str) -> dict[str, str]:
    """Namespace and name of a file or table by where it lies, as OpenLineage names them.

    https://openlineage.io/docs/spec/naming: `file` and the whole path, or the store's scheme with its bucket, and the
    key.
    """
    parts = urlsplit(location)
    if parts.scheme in ("", "file") or "://" not in location:
        return {"namespace": "file", "name": unquote(parts.path) if parts.scheme == "file" else location}
    return {"namespace": f"{parts.scheme}://{parts.netloc}", "name": parts.path.strip("/") or "/"}
