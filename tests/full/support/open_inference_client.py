"""Asks an Open Inference server through tritonclient, raw and typed; prints JSON. Arguments: HOST:PORT MODEL FILE, a float32 NHWC file of digits."""

import json
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2


def main(address: str, model: str, file: str) -> None:
    images = np.fromfile(file, dtype="<f4").reshape(-1, 32, 32, 3)
    client = triton.InferenceServerClient(address)
    metadata = client.get_model_metadata(model)
    asked = triton.InferInput("images", list(images.shape), "FP32")
    asked.set_data_from_numpy(images)
    raw = client.infer(model, [asked], request_id="seven")
    eight_bits = triton.InferInput("images", list(images.shape), "UINT8")
    eight_bits.set_data_from_numpy(np.round(images * 255).astype(np.uint8))
    bytes_answer = client.infer(model, [eight_bits], outputs=[triton.InferRequestedOutput("logits")])

    request = service_pb2.ModelInferRequest(model_name=model)
    tensor = request.inputs.add(name="images", datatype="FP32", shape=images.shape)
    tensor.contents.fp32_contents.extend(images.flatten().tolist())
    typed = client._client_stub.ModelInfer(request)

    refused = triton.InferInput("images", [1, 28, 28, 1], "FP32")
    refused.set_data_from_numpy(np.zeros((1, 28, 28, 1), dtype=np.float32))
    try:
        client.infer(model, [refused])
        refusal = None
    except triton.InferenceServerException as error:
        refusal = {"status": error.status(), "message": error.message()}

    print(
        json.dumps(
            {
                "live": client.is_server_live(),
                "ready": client.is_server_ready(),
                "modelReady": client.is_model_ready(model),
                "unknownReady": client.is_model_ready("nobody"),
                "inputs": [[one.name, one.datatype, list(one.shape)] for one in metadata.inputs],
                "outputs": [[one.name, one.datatype, list(one.shape)] for one in metadata.outputs],
                "versions": list(metadata.versions),
                "id": raw.get_response().id,
                "logits": raw.as_numpy("logits").tolist(),
                "probabilitySums": raw.as_numpy("probabilities").sum(axis=1).tolist(),
                "fromBytes": bytes_answer.as_numpy("logits").tolist(),
                "typed": list(typed.outputs[0].contents.fp32_contents),
                "refusal": refusal,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:4])
