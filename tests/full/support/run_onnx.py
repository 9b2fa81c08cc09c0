"""Checks an ONNX model and runs it with onnxruntime; prints the logits as JSON. Arguments: MODEL, and a float32 NHWC file of 32x32x3 images."""

import json
import sys

import numpy as np
import onnx
import onnxruntime


def main(model: str, file: str) -> None:
    onnx.checker.check_model(model, full_check=True)
    images = np.fromfile(file, dtype="<f4").reshape(-1, 32, 32, 3)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images})
    print(json.dumps(logits.tolist()))


if __name__ == "__main__":
    main(*sys.argv[1:3])
