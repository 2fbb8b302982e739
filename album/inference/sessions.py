"""The only file that opens ONNX Runtime or torch: sessions that can be cancelled and whose failures have names.

Both runtimes are imported inside functions, because web, worker and beat must never pay for them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from album.exceptions import (
    InferenceCancelled,
    InferenceError,
    InferenceOutOfMemory,
    NotEnoughMemory,
    WeightsCorrupt,
    WeightsError,
    WeightsMissing,
)

CPU = ("CPUExecutionProvider",)
# How the runtimes say that memory is short: ONNX Runtime's arena, its CUDA provider, C++, torch on CPU and on CUDA.
_OUT_OF_MEMORY = (
    "failed to allocate",
    "bad_alloc",
    "bad allocation",
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "alloc_failed",
)
_TERMINATED = "terminate flag"
_ONNX_ERRORS = (
    "Fail",
    "RuntimeException",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NotImplemented",
    "NoSuchFile",
    "NoModel",
    "EngineError",
    "EPFail",
)


def is_out_of_memory(error: BaseException) -> bool:
    """True if the error, of whichever runtime, means that memory was short."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(phrase in text for phrase in _OUT_OF_MEMORY)


@contextmanager
def inference_errors(name: str) -> Iterator[None]:
    """Errors of torch, ONNX Runtime and numpy leave as InferenceOutOfMemory or InferenceError, naming the network.

    Args:
        name: what failed, for the message: a file or a model id.
    """
    try:
        yield
    except _runtime_errors() as error:
        raise _named(error, name) from error


def _named(error: BaseException, name: str) -> InferenceError:
    if _TERMINATED in str(error):
        return InferenceCancelled(f"{name}: ended from outside before it was done.")
    if is_out_of_memory(error):
        return InferenceOutOfMemory(
            f"{name}: memory is too short for this micro-batch; try a smaller one. ({error})"
        )
    return InferenceError(f"{name}: the network failed on this input. ({error})")


def _runtime_errors() -> tuple[type[Exception], ...]:
    """What numpy, torch and, where it is imported, ONNX Runtime raise; the latter's classes share no base."""
    binding = sys.modules.get("onnxruntime.capi.onnxruntime_pybind11_state")
    onnx_errors = tuple(getattr(binding, name) for name in _ONNX_ERRORS) if binding else ()
    return (RuntimeError, ValueError, MemoryError, *onnx_errors)


class OnnxSession:
    """One loaded ONNX graph. Inputs may be arrays or values that an earlier run left in the runtime's memory."""

    def __init__(self, session: Any, name: str) -> None:
        import onnxruntime

        self.name = name
        self.input_shapes: dict[str, tuple[int | str | None, ...]] = {
            item.name: tuple(item.shape) for item in session.get_inputs()
        }
        self.output_shapes: dict[str, tuple[int | str | None, ...]] = {
            item.name: tuple(item.shape) for item in session.get_outputs()
        }
        self._session = session
        self._value = onnxruntime.OrtValue.ortvalue_from_numpy
        self._options = onnxruntime.RunOptions()
        self._options.log_severity_level = 4  # every failure is raised, so the log would only repeat it

    def run(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None) -> list[NDArray[Any]]:
        """The named outputs, or all of them in graph order, as arrays.

        Raises:
            InferenceCancelled: ``cancel`` was called, before or during this run.
            InferenceOutOfMemory: a smaller input may fit.
            InferenceError: anything else that the runtime refuses.
        """
        return [value.numpy() for value in self.run_values(inputs, outputs)]

    def run_values(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None) -> list[Any]:
        """As ``run``, but the outputs stay OrtValues: a cache can go from step to step without being copied."""
        with self._running() as session:
            feed = {name: self.to_value(item) for name, item in inputs.items()}
            return list(session.run_with_ort_values(list(outputs or self.output_shapes), feed, self._options))

    def run_into(self, inputs: Mapping[str, NDArray[Any]], buffers: Mapping[str, NDArray[Any]]) -> None:
        """Nothing; the named outputs are written into the given arrays, C-contiguous and of the right shape."""
        with self._running() as session:
            binding = session.io_binding()
            for name, array in inputs.items():
                binding.bind_cpu_input(name, np.ascontiguousarray(array))
            for name, array in buffers.items():
                if not array.flags.c_contiguous:
                    raise ValueError(f"the buffer for {name} is not contiguous")
                binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
            session.run_with_iobinding(binding, self._options)

    def to_value(self, item: Any) -> Any:
        """An OrtValue over the array's own memory; what is an OrtValue already passes through."""
        return self._value(np.ascontiguousarray(item)) if isinstance(item, np.ndarray) else item

    def cancel(self) -> None:
        """Nothing; the present run, or else the next, ends with InferenceCancelled. Safe from any thread."""
        self._options.terminate = True

    def rearm(self) -> None:
        """Nothing; a cancellation that found no run is forgotten."""
        self._options.terminate = False

    def close(self) -> None:
        """Nothing; the weights' memory is given back."""
        self._session = None

    @contextmanager
    def _running(self) -> Iterator[Any]:
        if self._session is None:
            raise InferenceError(f"{self.name}: this session is closed; open the weights again.")
        try:
            with inference_errors(self.name):
                if self._options.terminate:
                    raise RuntimeError(_TERMINATED)
                yield self._session
        except InferenceCancelled:
            self.rearm()
            raise


def open_onnx(path: Path, *, threads: int, spinning: bool = False, providers: Sequence[str] = CPU) -> OnnxSession:
    """A session for the graph at ``path``.

    Args:
        path: an ``.onnx`` file; its external data, if any, lies beside it.
        threads: how many cores one operator may use.
        spinning: idle threads burn their core while they wait: a little faster alone, harmful on a busy host.
        providers: execution providers in order of preference.

    Raises:
        WeightsMissing: there is no such file.
        WeightsCorrupt: the runtime cannot read it.
        NotEnoughMemory: the weights do not fit.
    """
    import onnxruntime

    if not path.is_file():
        raise WeightsMissing(f"{path}: no such file. Install the weights with manage.py download_models.")
    # Some sound graphs fail in the layout optimizer alone (PP-OCRv3 English in ONNX Runtime 1.31), so one more try.
    level = onnxruntime.GraphOptimizationLevel
    try:
        return _open(path, (threads, spinning, level.ORT_ENABLE_ALL), providers)
    except WeightsCorrupt:
        return _open(path, (threads, spinning, level.ORT_ENABLE_EXTENDED), providers)


def _open(path: Path, choices: tuple[int, bool, Any], providers: Sequence[str]) -> OnnxSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, spinning, options.graph_optimization_level = choices
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except _runtime_errors() as error:
        raise _load_error(error, path) from error
    return OnnxSession(session, path.name)


def _load_error(error: BaseException, path: Path) -> NotEnoughMemory | WeightsCorrupt:
    if is_out_of_memory(error):
        return NotEnoughMemory(f"{path}: does not fit into memory; choose smaller weights. ({error})")
    return WeightsCorrupt(
        f"{path}: ONNX Runtime cannot read this file. Remove it and run manage.py download_models again. ({error})"
    )


def torch_device(name: str = "auto") -> Any:
    """The torch device of that name; ``auto`` is CUDA where torch finds it, else the CPU."""
    import torch

    found = torch.cuda.is_available()
    if name.startswith("cuda") and not found:
        raise InferenceError(f"Device {name}: torch finds no CUDA device here. Set the device to cpu or auto.")
    return torch.device(("cuda" if found else "cpu") if name == "auto" else name)


def torch_dtype(name: str) -> Any:
    """The torch type for ``fp32``, ``bf16`` or ``fp16``."""
    import torch

    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if name not in types:
        raise InferenceError(f"Number type {name!r}: unknown; choose one of {', '.join(types)}.")
    return types[name]


def open_transformers(class_name: str, folder: Path, *, device: str = "auto", dtype: str = "fp32") -> Any:
    """The transformers model in ``folder``, ready for inference; nothing is ever fetched from a network.

    Raises:
        WeightsMissing: the folder holds no such model, or requirements-torch.txt is not installed.
        WeightsCorrupt: its files cannot be read.
        NotEnoughMemory: the weights do not fit.
    """
    if not (folder / "config.json").is_file():
        raise WeightsMissing(f"{folder}: no config.json here. Install the weights with manage.py download_models.")
    try:
        import transformers
        from safetensors import SafetensorError
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise WeightsError(f"{folder}: needs torch and transformers; install requirements-torch.txt.") from error
    disable_progress_bar()
    where, number_type = torch_device(device), torch_dtype(dtype)
    try:
        model, found = getattr(transformers, class_name).from_pretrained(
            folder, dtype=number_type, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
        if found["missing_keys"]:  # transformers would go on with random numbers in their place
            raise ValueError(f"without {', '.join(sorted(found['missing_keys'])[:3])}")
        return model.to(where).eval()
    except (RuntimeError, ValueError, OSError, MemoryError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise NotEnoughMemory(f"{folder}: does not fit into memory; choose smaller weights.") from error
        raise WeightsCorrupt(f"{folder}: these weights cannot be read; download them again. ({error})") from error
