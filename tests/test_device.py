"""Settings of the whole process."""

import os

import pytest

from seq2seq.device import DeviceSpec, tune_process


@pytest.mark.parametrize("wish", [None, "7"])
def test_few_kernels_are_kept_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch, wish: str | None) -> None:
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    monkeypatch.delenv("LRU_CACHE_CAPACITY", raising=False)
    if wish:
        monkeypatch.setenv("LRU_CACHE_CAPACITY", wish)
    tune_process(DeviceSpec.pick("cpu"))
    assert os.environ["LRU_CACHE_CAPACITY"] == (wish or "64")
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "64"
