"""What a version believes of audited texts, and what experts say of them -> how both go together.

One audited text can stand for a thousand, and its verdict then counts a thousand times: a single
positive that a version misses moves a weighted kappa of a hundred texts by 0.3. But verdicts follow
beliefs. So they only calibrate them: a regression says how probable each label is where a version
believes this or that, every text teaches it alike, and its probabilities stand in the table of
predicted and true labels where the verdicts would. The weights say how common such beliefs are, and
texts of the pool that were drawn without a verdict help to say it.

Welinder, Welling and Perona, "A lazy man's approach to benchmarking: semisupervised classifier
evaluation and recalibration" (CVPR 2013); Chen, Elliott and Little, "Bayesian penalized spline
model-based inference for finite population proportion in unequal probability sampling" (Survey
Methodology 2010). Draws from its posterior are those of the weighted Bayesian bootstrap: random
weights of the texts and a random centre of the prior (Newton, Polson and Xu 2021).

Shapes: n texts, m texts without a verdict, k labels, b draws, p = 2 k + 2 terms. In draws stand k
imagined texts, one that is predicted to have each label, or a label that is predicted for no
audited text would be taken to be predicted for none of the pool.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from selection.types import Bools, Doubles

STEP = 2.0  # how steep the step at the threshold is, in deviations of the lead
# The prior's centre and precision of each term. Beliefs that say nothing are possible, those that
# say the opposite hardly (docs/decisions.md, "The statistics").
CONSTANT, SLOPE, SIDE, AT_THRESHOLD = (0.0, 0.6), (0.75, 1.0), (0.0, 1.0), (0.0, 4.0)
SMALLEST = 1e-6  # belief
NEWTON = 30  # steps at most
NEAR = 1e-4  # a step that improves the log posterior by less ends the search
CUTS = 8  # of a step that worsens
CHUNK = 4_000_000  # numbers in an array of draws


def terms_of(k: int) -> int:
    """Return p, the number of terms for k labels."""
    return 2 * k + 2


@dataclass(frozen=True)
class Unjudged:
    """Texts of the pool that were drawn and that nobody judged.

    belief: (m, k) of a version. weight: (m,) how many texts of the pool each stands for.
    """

    belief: Doubles
    weight: Doubles

    def __post_init__(self) -> None:
        if len(self.belief) != len(self.weight):
            raise ValueError(f"{len(self.weight)} weights for {len(self.belief)} texts")

    def __len__(self) -> int:
        return len(self.weight)


@dataclass(frozen=True)
class Calibration:
    """belief: (n, k) of a version. said: (n, k) the share of the verdicts that gave each label.
    weight: (n,) how many texts of the pool each stands for. others: more texts of the pool."""

    belief: Doubles
    said: Doubles
    weight: Doubles
    others: Unjudged | None = None

    @property
    def one_label(self) -> bool:
        """Whether experts have given no more than one label."""
        return int((self.said > 0).any(axis=0).sum()) < 2

    @cached_property
    def terms(self) -> Doubles:
        """(k, n, p) of the texts that were judged."""
        return _as_terms(_leads(self.belief) / self._spread)

    @cached_property
    def _spread(self) -> float:
        """Deviation of the leads in the pool, 1 where all are the same."""
        lead = _leads(self.belief)
        middle = np.average(lead, axis=0, weights=self.weight)
        squared = np.average((lead - middle) ** 2, axis=0, weights=self.weight)
        spread = float(np.sqrt(squared.mean()))
        return spread if spread > 1e-9 else 1.0

    @cached_property
    def _every(self) -> tuple[Doubles, Doubles, Bools]:
        """All t = n + m + k texts: (k, t, p) terms, (t,) weights, (k, t) where predicted.

        Either sample speaks for the pool in proportion to its size. An imagined text weighs as much
        as the mean one; the rarest predicted label comes first, so that names do not matter.
        """
        n, k = self.belief.shape
        beliefs, weights = [self.belief], [self.weight / self.weight.sum() * n]
        if self.others is not None and len(self.others):
            share = self.others.weight / self.others.weight.sum()
            beliefs.append(self.others.belief)
            weights.append(share * len(self.others))
        leads = _leads(np.concatenate(beliefs)) / self._spread
        weight = np.concatenate([*weights, np.ones(k)]) * self.weight.sum() / n
        found = leads.argmax(axis=1)
        common = np.bincount(found, weight[:-k], minlength=k)
        imagined = (2 * np.eye(k) - 1)[np.argsort(common, kind="stable")]
        leads = np.concatenate([leads, imagined])
        predicted = np.eye(k, dtype=np.bool_)[leads.argmax(axis=1)].T
        return _as_terms(leads), weight, predicted

    @property
    def prior(self) -> tuple[Doubles, Doubles]:
        """Centre and precision of the prior, (p,) each."""
        k = self.belief.shape[1]
        of_each = [CONSTANT] * k + [SLOPE] + [SIDE] * k + [AT_THRESHOLD]
        centre, precision = np.array(of_each).T
        return centre, precision

    def once(self) -> Doubles:
        """Return (1, k * k) how often each label is predicted (rows) and right (columns).

        Where experts have given one label only there is nothing to calibrate by, and their verdicts
        count as they are.
        """
        ones = np.ones((1, len(self.weight)))
        if self.one_label:
            return self._tables(ones, self.said.T[:, None])
        chance = self.probability(self.fitted(ones, self.prior[0][None]))
        often = np.ones(chance.shape[1:])
        often[:, -self.belief.shape[1] :] = 0.0  # nothing is imagined
        return self._tables(often, chance)

    def drawn(self, often: Doubles, noise: Doubles) -> Doubles:
        """Return (b, k * k) tables. often: (b, n + m + k) how often each text counts, the imagined
        ones last. noise: (b, p) of deviation 1, which moves the prior's centre."""
        centre, precision = self.prior
        n, k = self.belief.shape
        centres = centre + noise / np.sqrt(precision)
        size = max(CHUNK // (often.shape[1] * terms_of(k)), 1)
        best = self.fitted(np.ones((1, n)), centre[None])[0]
        found = []
        for start in range(0, len(often), size):
            part = slice(start, start + size)
            terms = self.fitted(often[part, :n], centres[part], best)
            found.append(self._tables(often[part], self.probability(terms)))
        return np.concatenate(found)

    def probability(self, weights: Doubles) -> Doubles:
        """Return (k, b, n + m + k) of each label. weights: (b, p) of the terms."""
        return np.exp(_logs(self._every[0], weights))

    def _tables(self, often: Doubles, chance: Doubles) -> Doubles:
        """often: (b, t) of the first t texts. chance: (k, b, t)."""
        _, weight, predicted = self._every
        t = often.shape[1]
        counted = often * weight[:t] * chance
        cells = [counted[:, :, row].sum(axis=2) for row in predicted[:, :t]]
        return np.stack(cells).transpose(2, 0, 1).reshape(len(often), -1)

    def fitted(self, often: Doubles, centre: Doubles, start: Doubles | None = None) -> Doubles:
        """Return (b, p) what each term weighs: the mode of each posterior, by Newton's method.

        often: (b, n). centre: (b, p) of the prior. start: (p,).
        """
        k, n, p = self.terms.shape
        squares = (self.terms[:, :, :, None] * self.terms[:, :, None, :]).reshape(k, n, p * p)
        precision = self.prior[1]
        found = centre.copy() if start is None else np.tile(start, (len(often), 1))
        value, logs = self._lack(found, often, centre)
        for _ in range(NEWTON):
            chance = np.exp(logs)
            slope = -precision * (found - centre)
            bend = np.tile(np.diag(precision), (len(often), 1, 1))
            mean = np.zeros((len(often), n, p))
            for label in range(k):
                off = often * (self.said[:, label] - chance[label])
                slope += off @ self.terms[label]
                bend += ((often * chance[label]) @ squares[label]).reshape(-1, p, p)
                mean += chance[label][:, :, None] * self.terms[label]
            bend -= (often[:, :, None] * mean).transpose(0, 2, 1) @ mean
            step = np.asarray(np.linalg.solve(bend, slope[:, :, None]), dtype=np.float64)[:, :, 0]
            before = value
            found, value, logs = self._towards(found, step, value, often, centre)
            if float((before - value).max()) < NEAR:
                break
        return found

    def _towards(
        self, found: Doubles, step: Doubles, value: Doubles, often: Doubles, centre: Doubles
    ) -> tuple[Doubles, Doubles, Doubles]:
        """Go as much of each step as does not worsen its draw."""
        size = np.ones((len(found), 1))
        for _ in range(CUTS):
            reached = found + size * step
            new, logs = self._lack(reached, often, centre)
            worse = new > value + NEAR
            if not worse.any():
                return reached, new, logs
            size[worse] /= 4
        stays = np.where(worse[:, None], found, reached)
        return stays, *self._lack(stays, often, centre)

    def _lack(
        self, weights: Doubles, often: Doubles, centre: Doubles
    ) -> tuple[Doubles, Doubles]:
        """Return (b,) the negative log posterior, and (k, b, n) log probabilities."""
        logs = _logs(self.terms, weights)
        likely = sum(
            (often * self.said[:, label] * one).sum(axis=1) for label, one in enumerate(logs)
        )
        return 0.5 * ((weights - centre) ** 2 @ self.prior[1]) - likely, logs


def _leads(belief: Doubles) -> Doubles:
    """Return (n, k) log-odds of each label against the best other one."""
    odds = np.log(np.maximum(belief, SMALLEST))
    top = np.sort(odds, axis=1)[:, -2:]
    best = odds == top[:, 1:]
    # where two are equally likely neither leads
    other = np.where(best & (best.sum(axis=1, keepdims=True) == 1), top[:, :1], top[:, 1:])
    lead: Doubles = odds - other
    return lead


def _as_terms(lead: Doubles) -> Doubles:
    """Return (k, n, p): a constant of each label; how far the label leads the best other one, in
    deviations; the same where it leads, for each label; a step where the lead changes sides.

    lead: (n, k).
    """
    n, k = lead.shape
    terms = np.zeros((k, n, terms_of(k)))
    every = np.arange(k)
    terms[every, :, every] = 1.0
    terms[:, :, k] = lead.T
    terms[every, :, k + 1 + every] = np.maximum(lead.T, 0.0)
    terms[:, :, -1] = np.tanh(STEP * lead.T)
    return terms


def _logs(terms: Doubles, weights: Doubles) -> Doubles:
    """Return (k, b, n) log probabilities. terms: (k, n, p). weights: (b, p)."""
    logits = np.stack([weights @ one.T for one in terms])
    logits -= logits.max(axis=0)
    logs: Doubles = logits - np.log(np.exp(logits).sum(axis=0))
    return logs
