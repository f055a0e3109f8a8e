"""Tests that may be looked at after every observation: their error rate holds however often one looks, and stops.

Each gives evidence: a number that, while the null hypothesis is true, reaches 1 / alpha at some time with a probability
of at most alpha (Ville's inequality). So a guard may be asked every few seconds and act at once. The tests are mixture
sequential probability ratio tests (mSPRT): Robbins, "Statistical methods related to the law of the iterated logarithm",
Ann. Math. Statist. 41 (1970), 1397-1409; Johari, Koomen, Pekelis, Walsh, "Always Valid Inference: Continuous Monitoring
of A/B Tests", Operations Research 70 (2022), 1806-1821. All results are natural logarithms.
"""

import math


def evidence_above(count: int, total: int, limit: float) -> float:
    """How strongly a share is proven to be above a limit; one-sided, exact at every total.

    The likelihood ratio of a share p against the limit, averaged over p above the limit with a density that falls as
    (1 - p)^(b - 1), b = (1 - limit) / limit: shares that exceed the limit by about itself count most. For each p above
    the limit the ratio is a supermartingale under every share up to the limit, so the average is one, too.

    Args:
        count: how often it happened.
        total: of how many.
        limit: in (0, 1).

    Returns:
        log of the evidence; minus infinity where it is too small for a number.
    """
    from scipy.special import betaincc, betaln

    if not total:
        return 0.0
    weight = max(1.0, (1 - limit) / limit)
    hits, misses = count + 1, total - count + weight
    above = float(betaincc(hits, misses, limit))  # the part of the likelihood above the limit
    if above <= 0:
        return -math.inf
    mixture = float(betaln(hits, misses)) + math.log(above) + math.log(weight) - weight * math.log1p(-limit)
    return mixture - _log_likelihood(count, total, limit)


def evidence_larger(count: int, total: int, other_count: int, other_total: int) -> float:
    """How strongly one of two shares is proven to be above the other; one-sided.

    Of all that happened, the part on this side is at most this side's part of the total, while its share is not above
    the other's. So the question is that of `evidence_above` with the realised part as the limit (the conditional test
    of two Poisson rates: Przyborowski, Wilenski, Biometrika 31 (1940), 313-323).

    Args:
        count: how often it happened on this side.
        total: of how many.
        other_count: likewise, of the other side.
        other_total: likewise.

    Returns:
        log of the evidence; 0 where a side has nothing.
    """
    if not total or not other_total:
        return 0.0
    return evidence_above(count, count + other_count, total / (total + other_total))


def evidence_mean_above(difference: float, variance: float, limit: float, scale: float) -> float:
    """How strongly a difference of means is proven to be above a limit; one-sided, for many observations.

    The normal mSPRT of Johari et al., section 5, with a half-normal mixture over differences above the limit:
    2 sqrt(V / (V + s^2)) exp(s^2 d^2 / (2 V (V + s^2))) Phi(s d / sqrt(V (V + s^2))), where d is what was observed
    above the limit, V its variance and s the scale.

    Args:
        difference: of the means.
        variance: of that difference, as estimated.
        limit: that it may have.
        scale: of differences above the limit that matter.

    Returns:
        log of the evidence; 0 where the variance is not known.
    """
    from scipy.special import log_ndtr

    if not variance > 0:
        return 0.0
    above, both = difference - limit, variance + scale**2
    slope = scale * above / math.sqrt(variance * both)
    return math.log(2) + 0.5 * math.log(variance / both) + slope**2 / 2 + float(log_ndtr(slope))


def evidence_other(count: int, total: int, share: float) -> float:
    """How strongly a share is proven to be another one, on either side; exact at every total.

    Lindon, Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022: a test of the sample ratio, here
    with the uniform distribution as the mixture.

    Args:
        count: how often it happened.
        total: of how many.
        share: that is expected, in (0, 1).

    Returns:
        log of the evidence.
    """
    from scipy.special import betaln

    return float(betaln(count + 1, total - count + 1)) - _log_likelihood(count, total, share)


def _log_likelihood(count: int, total: int, share: float) -> float:
    return count * math.log(share) + (total - count) * math.log1p(-share)
