import contextlib
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from haarmony.cli import console
from haarmony.cli.main import main
from haarmony.media.image import read_image
from haarmony.methods.wct2 import WCT2


def process(*arguments, **options):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, **options)


SCRIPT = Path(sys.executable).with_name("haarmony")


def full_pipe() -> tuple[int, int]:
    """Reading and writing end of a pipe that takes no more until it is read."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(1 << 12))
    os.set_blocking(writer, True)
    return reader, writer


class TestAsAUserRunsIt:
    def test_help_loads_nothing_heavy(self):
        code = (
            "import sys\nfrom haarmony.cli.main import main\n"
            "try: main(['--help'])\nexcept SystemExit: pass\n"
            "print([m for m in ('torch', 'numpy', 'PIL', 'rich', 'skimage', 'scipy') if m in sys.modules])"
        )
        result = process(sys.executable, "-c", code)
        assert result.stdout.startswith("usage: haarmony")
        assert result.stdout.endswith("[]\n")

    @pytest.mark.parametrize("program", [(SCRIPT,), (sys.executable, "-m", "haarmony")])
    def test_both_names_run_the_same_program(self, program):
        assert process(*program, "--version").stdout == f"haarmony {version('haarmony')}\n"
        help_text = process(*program, "--help")
        assert help_text.returncode == 0
        assert all(command in help_text.stdout for command in ("transfer", "demo", "models", "train"))

    def test_a_photo_in_a_photo_out(self, here):
        result = process(SCRIPT, "transfer", "day.png", "dusk.png", "-o", "out.jpg", cwd=here)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith("out.jpg: 32 x 24 in ")
        assert result.stdout.endswith(" s\n")
        assert read_image(here / "out.jpg").pixels.shape == (24, 32, 3)

    def test_a_mistake_is_one_line_and_exit_code_2(self, here):
        result = process(SCRIPT, "transfer", "nowhere.png", "dusk.png", "-o", "out.jpg", cwd=here)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == "haarmony: 'nowhere.png' does not exist: check the path\n"

    def test_an_interrupt_is_one_line_and_leaves_whole_files_alone(self, here):
        reader, writer = full_pipe()  # the first line that the demo says waits until the pipe is emptied
        with subprocess.Popen(
            [SCRIPT, "demo"], cwd=here, stdout=writer, stderr=subprocess.PIPE, text=True
        ) as running:
            os.close(writer)
            folder = here / "haarmony-demo"
            while running.poll() is None and not list(folder.glob("*.png")):
                time.sleep(0.01)
            running.send_signal(signal.SIGINT)
            while os.read(reader, 1 << 16):
                pass
            os.close(reader)
            errors = running.stderr.read()
        assert (running.returncode, errors) == (130, "haarmony: interrupted\n")
        left = list(folder.iterdir())
        assert 1 <= len(left) < 4
        assert all(read_image(file).pixels.shape[2] == 3 for file in left)

    def test_a_reader_that_goes_away_is_no_traceback(self):
        with subprocess.Popen(
            [SCRIPT, "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as running:
            running.stdout.close()
            errors = running.stderr.read()
        assert errors == ""

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
    def test_closed_streams_stop_no_work(self, here, closed):
        """As a daemon's or a job's may be; and what a file gets is never what was said."""
        result = process("sh", "-c", f"'{SCRIPT}' transfer day.png dusk.png -o out.png {closed}", cwd=here)
        assert (result.returncode, result.stderr) == (0, "")
        assert read_image(here / "out.png").pixels.shape == (24, 32, 3)
        result = process(
            "sh", "-c", f"'{SCRIPT}' transfer nowhere.png dusk.png -o out.png {closed}", cwd=here
        )
        assert result.returncode == 2
        assert process("sh", "-c", f"'{SCRIPT}' models {closed}", cwd=here).returncode == 0

    def test_a_pipe_is_one_line(self, here):
        result = process(
            "sh", "-c", f"cat day.png | '{SCRIPT}' transfer /dev/stdin dusk.png -o out.png", cwd=here
        )
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert "'/dev/stdin' is a pipe" in result.stderr


class TestCommandLine:
    @pytest.mark.parametrize(
        ("arguments", "saying"),
        [
            ([], "COMMAND"),
            (["paint"], "'paint'"),
            (["transfer"], "STYLE"),
            (["transfer", "day.png", "dusk.png"], "-o"),
            (["transfer", "day.png", "dusk.png", "-o", "out.png", "--strength", "much"], "'much'"),
            (["transfer", "day.png", "dusk.png", "-o", "out.png", "--strength", "1.5"], "1.5"),
            (["transfer", "day.png", "dusk.png", "-o", "out.png", "--strength", "nan"], "nan"),
            (["transfer", "day.png", "dusk.png", "-o", "out.png", "--model", "vgg20"], "'vgg20'"),
            (["transfer", "day.png", "dusk.png", "-o", "out.png", "--stages", "encoder,end"], "'end'"),
            (["transfer", "day.png", "dusk.png", "-o", "out.png", "--loud"], "--loud"),
            (["train"], "WHAT"),
            (["train", "distil"], "--photos"),
            (["demo", "-o", "day.png"], "day.png"),
            (["transfer", "", "dusk.png", "-o", "out/"], "an argument is empty"),
            (["transfer", "day.png", "dusk.png", "-o", ""], "an argument is empty"),
        ],
    )
    def test_a_wrong_one_is_one_line(self, haarmony, here, arguments, saying):
        result = haarmony(*arguments)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("haarmony: ")
        assert result.err.count("\n") == 1
        assert saying in result.err
        assert not Path("out.png").exists()

    def test_quiet_says_nothing(self, haarmony, here):
        result = haarmony("transfer", "day.png", "dusk.png", "-o", "out.png", "-q")
        assert result == (0, "", "")
        assert Path("out.png").exists()

    def test_options_reach_the_transfer(self, haarmony, here):
        def written(*options):
            assert haarmony("transfer", "day.png", "dusk.png", "-o", "out.png", *options).code == 0
            return read_image("out.png").pixels

        day, plain = read_image("day.png").pixels, written()
        assert np.array_equal(written("--strength", "0"), day)
        assert 0 < np.abs(written("--strength", "0.2") - day).mean() < 0.9 * np.abs(plain - day).mean()
        assert np.array_equal(written("--stages", "encoder"), plain)
        assert not np.array_equal(written("--stages", "encoder,decoder"), plain)
        assert np.array_equal(written("--model", "compact"), plain)

    @pytest.mark.parametrize(
        ("error", "code", "saying"),
        [
            (KeyboardInterrupt(), 130, "interrupted"),
            (MemoryError(), 2, "out of memory"),
            (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 2, "out of memory"),
            (RuntimeError("CUDA out of memory."), 2, "out of memory"),
            (OSError(5, "Input/output error", "disk"), 2, "'disk': Input/output error"),
            (ZeroDivisionError("by\nzero"), 1, "a defect, ZeroDivisionError: by zero"),
        ],
    )
    def test_what_stops_the_work_is_one_line_and_debug_shows_where(
        self, haarmony, here, monkeypatch, error, code, saying
    ):
        def stop(*_, **__):
            raise error

        monkeypatch.setattr(WCT2, "field", stop)
        arguments = ["transfer", "day.png", "dusk.png", "-o", "out.png"]
        result = haarmony(*arguments)
        assert result.code == code
        assert result.err.startswith(f"haarmony: {saying}")
        assert result.err.count("\n") == 1
        for debugged in (["--debug", *arguments], [*arguments, "--debug"]):
            result = haarmony(*debugged)
            assert result.code == code
            assert "Traceback" in result.err
        assert not Path("out.png").exists()

    def test_no_other_warnings_reach_the_user(self, haarmony, here, monkeypatch, recwarn):
        field = WCT2.field

        def noisy(*arguments, **options):
            import warnings

            warnings.warn("a library's own business", UserWarning, stacklevel=1)
            return field(*arguments, **options)

        monkeypatch.setattr(WCT2, "field", noisy)
        assert haarmony("transfer", "day.png", "dusk.png", "-o", "out.png").err == ""


class TestProgress:
    def test_it_is_shown_on_a_terminal_alone(self, capsys, monkeypatch):
        def shown(*, terminal, quiet):
            monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
            with console.working("[day] to dusk", quiet=quiet):
                pass
            return capsys.readouterr().err

        assert "[day] to dusk" in shown(terminal=True, quiet=False)
        assert shown(terminal=True, quiet=True) == ""
        assert shown(terminal=False, quiet=False) == ""


class TestDemo:
    def test_it_writes_results_and_a_sheet_and_says_where(self, haarmony, here):
        result = haarmony("demo", "-o", "deep/demo")
        assert (result.code, result.err) == (0, "")
        files = sorted(Path("deep/demo").iterdir())
        assert len(files) == 4
        assert all(f"{file}: " in result.out for file in files)
        *transfers, total = result.out.splitlines()
        assert len(transfers) == 3
        assert all(line.endswith(" s") for line in transfers)
        assert total.endswith(" s in all")
        for file in files:
            with Image.open(file) as image:
                image.load()
                assert image.mode == "RGB"
        assert haarmony("demo", "-o", "deep/demo", "-q") == (0, "", "")

    def test_it_opens_no_connection(self, haarmony, here, monkeypatch):
        def refuse(*_, **__):
            raise AssertionError("the demo asked for the network")

        monkeypatch.setattr("socket.socket.connect", refuse)
        assert haarmony("demo").code == 0
        assert Path("haarmony-demo/sheet.png").exists()


class TestModels:
    def test_in_a_pipe_it_is_tab_separated(self, haarmony):
        result = haarmony("models")
        assert (result.code, result.err) == (0, "")
        header, *rows = [line.split("\t") for line in result.out.splitlines()]
        assert header == ["name", "parameters", "bytes", "licence", "files", "missing", "sha256"]
        assert all(len(row) == len(header) for row in rows)
        cards = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
        assert {"compact", "vgg19", "vgg19_sum"} <= set(cards)
        compact = cards["compact"]
        assert 0 < int(compact["parameters"]) <= 500_000
        assert 0 < int(compact["bytes"]) == Path(compact["files"]).stat().st_size <= 1_000_000
        assert len(compact["sha256"]) == 64
        assert compact["missing"] == ""

    def test_on_a_terminal_it_is_a_table(self, haarmony, monkeypatch):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", "200")
        result = haarmony("models")
        assert "vgg19_sum" in result.out
        assert "\t" not in result.out
        assert "10,107,535 parameters" in result.out


class TestTrain:
    @pytest.mark.parametrize("what", ["distil", "decoder"])
    def test_a_folder_without_photos_is_one_line(self, haarmony, here, what):
        Path("none").mkdir()
        result = haarmony("train", what, "--photos", "none", "--out", "run")
        assert result.code == 2
        assert "no photographs" in result.err
        assert result.err.count("\n") == 1

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("--steps", "-1"),
            ("--size", "0"),
            ("--batch", "0"),
            ("--learning-rate", "nan"),
            ("--learning-rate", "-1"),
            ("--learning-rate", "fast"),
            ("--seed", "-1"),
            ("--seed", "4294967296"),
            ("--device", "cuda:99"),
            ("--export", "nowhere/out.safetensors"),
        ],
    )
    def test_what_would_fail_is_told_before_the_work(self, haarmony, here, option, value):
        result = haarmony("train", "distil", "--photos", "none", "--out", "run", option, value)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert value in result.err
        assert "photographs" not in result.err
        assert not Path("run").exists()

    @pytest.mark.parametrize("value", ["nan", "inf", "-1", "much"])
    @pytest.mark.parametrize(
        ("what", "option"),
        [("decoder", "--style-weight"), ("decoder", "--samples"), ("conditional", "--smoothness")],
    )
    def test_a_weight_that_is_none_is_told_before_the_work(self, haarmony, here, what, option, value):
        style = ("--style", "a=day.png") if what == "conditional" else ()
        result = haarmony("train", what, "--photos", ".", "--out", "run", *style, option, value)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert f"argument {option}: expected" in result.err
        assert not Path("run").exists()

    def test_transfer_says_what_has_to_come_first(self, haarmony, here):
        result = haarmony("train", "transfer", "--photos", ".", "--out", "run")
        assert result.code == 2
        assert "haarmony train distil" in result.err

    @pytest.mark.parametrize(
        ("what", "function"),
        [
            ("distil", "haarmony.training.distil.distil"),
            ("transfer", "haarmony.training.transfer.train_transfer"),
            ("decoder", "haarmony.training.decoder.train_levels"),
        ],
    )
    def test_photos_and_settings_reach_the_loop(self, haarmony, here, monkeypatch, what, function):
        calls = []
        monkeypatch.setattr(function, lambda *arguments, **options: calls.append((arguments, options)))
        monkeypatch.setattr("haarmony.cli.train._teacher", lambda: "the teacher")
        Path("run").mkdir()
        Path("run/distil.pt").touch()
        options = ["--steps", 7, "--size", 16, "--learning-rate", 0.5, "--seed", 3, "--device", "cpu:0"]
        result = haarmony("train", what, "--photos", ".", "--out", "run", *options)
        assert (result.code, result.err) == (0, "")
        ((arguments, named),) = calls
        settings = next(a for a in arguments if hasattr(a, "steps"))
        assert (settings.steps, settings.size, settings.learning_rate, settings.seed) == (7, 16, 0.5, 3)
        assert settings.batch == type(settings)().batch
        assert named["device"] == "cpu:0"
        assert Path("run") in arguments
        assert any(isinstance(a, list) and len(a) == 2 for a in arguments)


def test_main_takes_the_arguments_of_the_process(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["haarmony", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("haarmony ")
