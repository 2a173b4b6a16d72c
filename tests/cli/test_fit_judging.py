"""A fit is judged by points that it never saw, as the weights say that it is."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from interflow import fitting, views
from interflow.cli.fit import FitJob
from interflow.config.fit_config import FitConfig
from interflow.fitting.evaluation import exact_w2, sliced_w2
from interflow.storage.points import PointCloud, write_points


@pytest.fixture(scope="module", params=[False, True], ids=["equal weights", "weighted"])
def judged(request, tmp_path_factory):
    """A fit of a cloud far from the origin by the command's own job: what was fitted to, and what came of it."""
    folder, generator = tmp_path_factory.mktemp("fit"), np.random.default_rng(3)
    positions = 40.0 + generator.normal(size=(120, 2)) * [1.0, 3.0]
    weights = generator.random(120) + 0.1 if request.param else None
    write_points(folder / "scan.csv", PointCloud(positions, weights))
    found = SimpleNamespace(positions=positions, weighted=request.param)

    def fit(source, target, *arguments, target_weights=None, **options):
        found.target, found.target_weights = target, target_weights
        found.fitted = fit_job_fit(source, target, *arguments, target_weights=target_weights, **options)
        return found.fitted

    def fit_report(*arguments, history, **options):
        found.trace = history
        return fit_job_report(*arguments, history=history, **options)

    fit_job_fit, fit_job_report = fitting.fit, views.fit_report
    settings = {"steps": 12, "check_every": 6, "weight_step_size": 1.0, "init": "box"}
    config = FitConfig(points=15, dtype="float64", descent=settings, held_out=0.25, backend={"kind": "dense"}, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit", fit)
        patch.setattr(views, "fit_report", fit_report)
        found.job = FitJob(folder / "scan.csv", config)
        found.summary, drawn = found.job.run(folder, quiet=True)
    assert drawn
    return found


def test_no_point_that_judges_is_ever_fitted_to(judged):
    found = judged
    seen, held_out = ({tuple(point) for point in part.tolist()} for part in (found.target, found.job.split.held_out))
    assert (len(seen), len(held_out)) == (90, 30)
    assert not seen & held_out
    both = torch.cat([found.target, found.job.split.held_out]) + found.job.offset
    np.testing.assert_allclose(np.sort(both.numpy(), 0), np.sort(found.positions, 0), rtol=0, atol=1e-12)
    assert found.target_weights is found.job.split.train_weights
    assert (found.target_weights is not None) == found.weighted


def test_the_weights_that_were_learned_are_judged(judged):
    found = judged
    fitted, parts, said = found.fitted, found.job.split, found.summary["held_out"]["fitted"]
    assert fitted.weights.std() > 0.1 * fitted.weights.mean()
    given = (fitted.positions, parts.held_out, fitted.weights, parts.held_out_weights)
    assert said["sliced_w2"] == pytest.approx(sliced_w2(*given), rel=1e-12)
    assert said["exact_w2"] == pytest.approx(
        exact_w2(fitted.positions, parts.held_out_subset, fitted.weights), rel=1e-9
    )
    assert found.trace[-1][2] == pytest.approx(sliced_w2(*given, directions=16), rel=1e-12)
    assert found.trace[-1][1] == found.summary["loss"]
    equal = sliced_w2(fitted.positions, parts.held_out, None, parts.held_out_weights)
    assert abs(equal - said["sliced_w2"]) > 1e-3


def test_a_sample_to_compare_with_has_as_many_points_as_the_fit(judged):
    found = judged
    parts, said = found.job.split, found.summary["held_out"]["independent_sample"]
    assert len(parts.sample) == len(found.fitted.positions) == 15
    assert said["sliced_w2"] == sliced_w2(parts.sample, parts.held_out, None, parts.held_out_weights)
