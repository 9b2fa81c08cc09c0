"""A targeted attack on a registered model, from Python.

    pip install grpcio grpcio-tools numpy
    python -m grpc_tools.protoc -I proto --python_out=build/python --grpc_python_out=build/python proto/percept/v1/*.proto
    PYTHONPATH=build/python python examples/python/targeted.py HOST:PORT MODEL TARGET
"""

import sys

import grpc
import numpy as np
from percept.v1 import attack_options_pb2, attack_pb2, attack_pb2_grpc, images_pb2, model_pb2


def main(address: str, model: str, target: int) -> None:
    attack = attack_pb2_grpc.AttackStub(grpc.insecure_channel(address))
    response = attack.Targeted(
        attack_pb2.AttackTargetedRequest(
            model=model_pb2.ModelReference(registered=model),
            images=images_pb2.ImageSource(
                samples=images_pb2.DatasetSelection(dataset="mnist-5k", indices=[0, 1, 2])
            ),
            targets=[target],
            options=attack_options_pb2.AttackOptions(epsilon=0.2, relative_step=0.1, steps=40),
        ),
        timeout=60,
    )
    images = np.frombuffer(response.result.images.data, dtype="<f4").reshape(response.result.images.shape)
    for outcome, image in zip(response.result.outcomes, images):
        print(outcome.sample_id, outcome.prediction_before, "->", outcome.prediction_after, outcome.success, image.shape)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
