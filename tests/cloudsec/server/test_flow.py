"""A job from its submission to its result."""

import numpy as np

import providers
from cloudsec.jobs import Role
from tests.daemons import Served, npy, of_npy

IMAGE = np.random.default_rng(7).integers(0, 4000, (48, 40)).astype(np.uint16)


def test_what_is_submitted_started_and_followed_ends_as_the_unsplit_operation(daemon: Served) -> None:
    client = daemon.client(Role.SERVICE)
    job = client.submit(npy(IMAGE))
    view = client.ended(job)
    assert (view["state"], view["results"], view["operation"]) == ("done", 1, "gaussian")
    assert view["done"] == view["total"] > 0
    result = client.ask("GET", f"/v1/jobs/{job}/result")
    assert np.array_equal(of_npy(result.content), providers.apply(IMAGE, "gaussian", sigma=2.0))
    report = client.ask("GET", f"/v1/jobs/{job}/report").json()
    assert report["images"][0]["exact"]
    assert client.ask("DELETE", f"/v1/jobs/{job}").status_code == 204
    assert client.ask("GET", f"/v1/jobs/{job}").status_code == 404
