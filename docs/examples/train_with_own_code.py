"""Trains with the team's own code, then exports, judges, registers and promotes as for any model of Almanac."""

from datetime import UTC, datetime

from airflow.sdk import DAG, TriggerRule, task

from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac_airflow.operators import (
    EvaluateGatesOperator,
    ExportOnnxOperator,
    PromoteModelOperator,
    PromotionApprovalOperator,
    RegisterModelOperator,
)

MODEL = "weather"

with DAG("own_training", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):

    @task(multiple_outputs=True)
    def train() -> dict[str, str]:
        """Fit on all rows before the model's hold-out, and log the pipeline as skops: a pickle is refused."""
        import mlflow
        import mlflow.sklearn
        from sklearn.ensemble import ExtraTreesClassifier
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline

        from almanac.data.table.model_rows import ModelRows
        from almanac.training.train import prepare

        model = find_model(Home().models, MODEL)
        rows, folds = prepare(model, ModelRows.newest(Home(), model).read(), now=datetime.now(UTC))
        chosen = folds[-1].train
        pipeline = make_pipeline(SimpleImputer(), ExtraTreesClassifier(n_estimators=50, max_depth=8, random_state=1))
        pipeline.fit(rows.values[chosen], rows.labels[chosen].astype("int64"))
        mlflow.set_tracking_uri(Home().tracking_uri)
        mlflow.set_experiment("own_training")
        with mlflow.start_run() as run:
            mlflow.sklearn.log_model(
                pipeline,
                name="model",
                serialization_format="skops",
                skops_trusted_types=["numpy.dtype", "sklearn.tree._tree.Tree"],
                pip_requirements=["scikit-learn"],
            )
        return {"mlflow_run_id": run.info.run_id, "trained_until": f"{rows.times[chosen][-1]}+00:00"}

    trained = train()
    candidate = ExportOnnxOperator(
        task_id="export",
        model=MODEL,
        mlflow_run_id=trained["mlflow_run_id"],
        trained_until=trained["trained_until"],
        candidate="extra_trees",
    )
    verdict = EvaluateGatesOperator(task_id="judge", model=MODEL, mlflow_run_id=candidate.output)
    register = RegisterModelOperator(task_id="register", model=MODEL, verdict=verdict.output)
    ask = PromotionApprovalOperator(task_id="ask", model=find_model(Home().models, MODEL), after="register")
    promote = PromoteModelOperator(
        task_id="go_live",
        model=MODEL,
        version=register.output,
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,  # also when nobody had to be asked
    )
    register >> ask >> promote
