"""Makes forecasts of totals and grains agree, by numpy and scipy.

Source: Wickramasuriya, Athanasopoulos and Hyndman (2019), "Optimal forecast reconciliation for hierarchical and
grouped time series through trace minimization" (MinT; structural scaling is its case of W by the number of grains).
The shrinkage: Schäfer and Strimmer (2005), "A shrinkage approach to large-scale covariance matrix estimation".

No matrix of all grains by all grains is ever made: W is a diagonal and, of MinT, a matrix with a column for each error
of the backtests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from almanac.config.sections.forecasting.hierarchy import Method

if TYPE_CHECKING:
    from almanac.forecast.panel import Array

_SMALLEST = 1e-9  # of the largest variance: a series without any error is not trusted without bounds


def summing(members: Sequence[Sequence[int]], grains: int) -> Any:
    """The sparse matrix of shape (totals, grains) that makes totals of grains."""
    import numpy as np
    from scipy.sparse import csr_matrix

    rows = np.repeat(np.arange(len(members)), [len(each) for each in members])
    columns = np.concatenate([np.asarray(each, dtype=np.int64) for each in members])
    return csr_matrix((np.ones(len(columns)), (rows, columns)), shape=(len(members), grains))


@dataclass(frozen=True)
class Reconciler:
    """What corrects grains so that the totals of the corrected ones are best.

    Attributes:
        sums: of `summing`, of the totals that have a forecast of their own.
        diagonal: of W, of shape (totals + grains,), times the shrinkage.
        errors: of shape (totals + grains, errors), scaled so that W is the diagonal plus `errors @ errors.T`.
    """

    sums: Any
    diagonal: "Array"
    errors: "Array"

    @classmethod
    def of(cls, method: Method, sums: Any, errors: "Array") -> "Reconciler":
        """By a method.

        Args:
            method: `wls_struct` or `mint_shrink`; `bottom_up` corrects nothing and needs none.
            sums: see above.
            errors: of backtests, totals first, of shape (totals + grains, errors).
        """
        import numpy as np

        totals, grains = sums.shape
        if method == "wls_struct":
            sizes = np.asarray(sums.sum(axis=1)).ravel()
            return cls(sums, np.concatenate([sizes, np.ones(grains)]), np.zeros((totals + grains, 1)))
        count = errors.shape[1]
        variances = (errors**2).mean(axis=1)
        variances = variances.clip(min=max(_SMALLEST * float(variances.max()), np.finfo(float).tiny))
        shrunk = shrinkage(errors / np.sqrt(variances)[:, None])
        return cls(sums, shrunk * variances, errors * np.sqrt((1 - shrunk) / count))

    def grains(self, totals: "Array", grains: "Array") -> "Array":
        """The corrected grains, of shape (grains, steps); forecasts, or errors of forecasts.

        Args:
            totals: of shape (totals, steps).
            grains: of shape (grains, steps).
        """
        import numpy as np
        from scipy.sparse import diags_array

        count = len(totals)
        apart = totals - self.sums @ grains
        own = self.errors[:count] - self.sums @ self.errors[count:]
        spread = (self.sums @ diags_array(self.diagonal[count:]) @ self.sums.T).toarray()
        weights = np.linalg.solve(np.diag(self.diagonal[:count]) + spread + own @ own.T, apart)
        along = self.diagonal[count:, None] * (self.sums.T @ weights)
        found: Array = grains + along - self.errors[count:] @ (own.T @ weights)
        return found


def shrinkage(scaled: "Array") -> float:
    """How much of each correlation is noise, from 0 to 1.

    Args:
        scaled: errors of mean square 1, of shape (series, errors).
    """
    import numpy as np

    series, count = scaled.shape
    if count < 2 or series < 2:
        return 1.0
    squares = scaled**2
    correlated = float((((scaled.T @ scaled) / count) ** 2).sum()) - float((squares.mean(axis=1) ** 2).sum())
    products = float((squares.sum(axis=0) ** 2).sum() - (squares**2).sum())
    if correlated <= 0:
        return 1.0
    varied = (products - count * correlated) / (count * (count - 1))
    return float(np.clip(varied / correlated, 0.0, 1.0))
