"""The page that follows a run: what it is sent, and who is answered."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch

import interflow as fl
from interflow.solution import FramePlan
from interflow.views.page import serve_page, server
from interflow.views.page.packing import Grid, decode
from interflow.views.page.server import Feed
from tests.storage.runs import simulate, system
from tests.views.page.conftest import Shown


@contextmanager
def recorded(path, boundary):
    """A run whose frames are written by hand: a function that adds one."""
    energy = fl.InteractionEnergy(fl.GaussianKernel(sigma=1.0), boundary=boundary)
    particles = fl.ParticleSystem(torch.zeros(3, 2), energy=energy, integrator=fl.Euler(step_size=0.1))
    with fl.RunFolder(path).recording(particles, FramePlan(50, 1), resume=False) as recording:

        def add(positions):
            state = particles.state.replace(positions=torch.as_tensor(positions), step=recording.manifest.frames)
            recording.write_frame(state, {"energy": torch.zeros(())})

        yield add


def decoded(updates):
    """The positions in a reply, sorted, as the order of particles is the page's own."""
    grid = Grid(np.array(updates["lower"]), np.array(updates["upper"]), updates["bits"])
    blobs = [(prediction, base64.b64decode(text)) for prediction, text in updates["frames"]]
    clouds = [grid.centres(cells) for cells in decode(blobs, (updates["count"], updates["axes"]), updates["bits"])]
    return [cloud[np.lexsort(cloud.T)] for cloud in clouds]


def clouds(frames, *, scale=1.0, seed=0):
    return scale * np.random.default_rng(seed).random((frames, 3, 2)).astype(np.float32)


def check(updates, wanted):
    side = (np.array(updates["upper"]) - np.array(updates["lower"])) / 2 ** updates["bits"]
    shown = decoded(updates)
    assert len(shown) == len(wanted)
    for cloud, positions in zip(shown, wanted, strict=True):
        order = np.lexsort(np.floor(positions / side).T)
        np.testing.assert_allclose(cloud, positions[order], atol=float(side.max()))


def test_each_question_is_answered_with_the_frames_that_came_since(tmp_path):
    wanted = clouds(5)
    with recorded(tmp_path / "run", fl.PeriodicBoundary(1.0)) as add:
        for cloud in wanted[:2]:
            add(cloud)
        source = Feed(tmp_path / "run", "run")
        updates = source.updates(-1, 0)
        check(updates, wanted[:2])
        assert source.updates(updates["generation"], 2)["frames"] == []
        for cloud in wanted[2:]:
            add(cloud)
        later = source.updates(updates["generation"], 2)
        check(later, wanted[2:])
        assert (later["generation"], later["first"], later["finished"]) == (updates["generation"], 2, False)
        assert (len(later["times"]), later["steps_wanted"]) == (5, 50)


def test_a_particle_that_leaves_the_box_begins_a_new_generation_with_all_frames(tmp_path):
    near, far = clouds(2), clouds(1, scale=30.0, seed=1)
    with recorded(tmp_path / "run", fl.OpenBoundary()) as add:
        for cloud in near:
            add(cloud)
        source = Feed(tmp_path / "run", "run")
        updates = source.updates(-1, 0)
        add(far[0])
        later = source.updates(updates["generation"], 2)
        assert (later["generation"], later["first"]) == (updates["generation"] + 1, 0)
        check(later, [*near, *far])


def test_many_frames_are_thinned_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "MEMORY", 5 * 3 * 2 * 2)
    wanted = clouds(8)
    with recorded(tmp_path / "run", fl.PeriodicBoundary(1.0)) as add:
        for cloud in wanted:
            add(cloud)
        updates = Feed(tmp_path / "run", "run").updates(-1, 0)
        check(updates, wanted[::2])
        assert "4 of 8 frames are shown." in updates["notes"]


def test_a_large_answer_is_given_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "REPLY", 2 * 3 * 2 * 2)
    wanted = clouds(3)
    with recorded(tmp_path / "run", fl.PeriodicBoundary(1.0)) as add:
        for cloud in wanted:
            add(cloud)
        source = Feed(tmp_path / "run", "run")
        first = source.updates(-1, 0)
        check(first, wanted[:2])
        check(source.updates(first["generation"], 2), wanted[2:])


def ask(address, path="", *, host=None, method="GET"):
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    connection.request(method, path or parts.path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_only_this_machine_with_the_address_is_answered_and_only_what_it_may_ask(tmp_path):
    simulate(system(), tmp_path / "run")
    with serve_page(tmp_path / "run", "run") as address:
        parts = urlsplit(address)
        assert parts.hostname == "127.0.0.1"
        assert ask(address)[0] == 200
        assert ask(address, "/")[0] == 404
        assert ask(address, parts.path + "../../etc/passwd")[0] == 404
        assert ask(address, host=f"evil.example:{parts.port}")[0] == 403
        assert ask(address, method="POST")[0] == 501
        assert ask(address, parts.path + "frames?generation=x&known=0")[0] == 400
        with socket.create_connection(
            (parts.hostname, parts.port)
        ) as connection:  # which a client would refuse to send
            connection.sendall(b"GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 400 " in connection.makefile("rb").readline()


def test_all_who_ask_at_once_are_answered_as_if_alone(tmp_path, monkeypatch):
    wanted = clouds(12)
    follow = Feed._follow

    def slowly(self):  # what is asked meanwhile must not see the half of it
        follow(self)
        solution, self._solution = self._solution, None
        time.sleep(0.02)
        self._solution = solution

    monkeypatch.setattr(Feed, "_follow", slowly)
    with recorded(tmp_path / "run", fl.PeriodicBoundary(1.0)) as add, serve_page(tmp_path / "run", "run") as address:
        add(wanted[0])
        assert "showLive" in ask(address)[1]

        def follows(index):
            """The clouds that a page has in the end."""
            shown, side, end = [], 0.0, time.monotonic() + 60
            while len(shown) < len(wanted) and time.monotonic() < end:
                query = f"frames?generation={0 if shown else -1}&known={len(shown)}"
                updates = json.loads(ask(address, urlsplit(address).path + query)[1])
                assert "error" not in updates, updates
                assert (updates["generation"], updates["first"]) == (0, len(shown))
                shown += decoded(updates)
                side = float((np.array(updates["upper"]) - np.array(updates["lower"])).max()) / 2 ** updates["bits"]
            return shown, side

        with ThreadPoolExecutor(8) as pages:
            asking = [pages.submit(follows, index) for index in range(8)]
            for cloud in wanted[1:]:
                add(cloud)
                time.sleep(0.01)
            for shown, side in (each.result() for each in asking):
                assert len(shown) == len(wanted)
                for found, positions in zip(shown, wanted, strict=True):
                    order = np.lexsort(np.floor(positions / side).T)
                    np.testing.assert_allclose(found, positions[order], atol=side)


def test_a_run_without_a_frame_is_waited_for_and_a_damaged_one_told(tmp_path):
    with recorded(tmp_path / "run", fl.PeriodicBoundary(1.0)) as add, serve_page(tmp_path / "run", "run") as address:
        assert "no frame yet" in ask(address)[1]
        add(clouds(1)[0])
        assert "showLive" in ask(address)[1]
        (tmp_path / "run" / "manifest.json").write_text("{}")
        told = json.loads(ask(address, urlsplit(address).path + "frames?generation=-1&known=0")[1])
        assert "damaged" in told["error"]


def test_a_run_that_is_damaged_before_it_is_shown_is_told(tmp_path):
    simulate(system(), tmp_path / "run")
    with serve_page(tmp_path / "run", "run") as address:
        (tmp_path / "run" / "manifest.json").write_text("{}")
        status, text = ask(address)
        assert status == 500
        assert "damaged" in text


def test_what_holds_no_run_is_refused(tmp_path):
    with pytest.raises(fl.ArgumentError, match="without a run"), serve_page(tmp_path, "run"):
        pass


def test_the_page_follows_a_run_to_its_end(browser, tmp_path):
    with pytest.raises(fl.RunStoppedError):
        simulate(system(), tmp_path / "run", stop_at=6)
    with serve_page(tmp_path / "run", "run") as address:
        shown = Shown(browser, address)
        shown.wait("window.viewer && viewer.run.known() === 3 && viewer.position === 2")
        shown.wait("viewer.state.textContent.includes('live, step 6 of 12')")
        shown.still()
        before = shown.pixels()
        simulate(system(), tmp_path / "run", resume=True)
        shown.wait("viewer.state.textContent === 'finished'")
        assert (shown.do("viewer.run.known()"), shown.do("viewer.position")) == (5, 4)
        shown.still()
        assert (shown.pixels() != before).any()
        assert shown.errors == []
        assert all(url.startswith(address) for url in shown.requests)
        shown.page.close()


def test_the_command_prints_the_address_and_ctrl_c_ends_it(tmp_path):
    simulate(system(), tmp_path / "run")
    # where the tests run in the background, Ctrl-C is ignored, and a process that they start would ignore it too
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, "-m", "interflow", "show", str(tmp_path / "run"), "--live"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        address = process.stdout.readline().strip()
        assert ask(address)[0] == 200
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        signal.signal(signal.SIGINT, before)
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "Ended."
