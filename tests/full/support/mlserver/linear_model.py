"""A linear classifier of flattened pixels for MLServer: logits = (pixels - 0.5) W."""
import numpy
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class LinearModel(MLModel):
    async def load(self) -> bool:
        self._weights = numpy.fromfile(self.settings.parameters.uri, dtype="<f4").reshape(-1, 10)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        images = NumpyCodec.decode_input(payload.inputs[0])
        logits = (images.reshape(len(images), -1) - numpy.float32(0.5)) @ self._weights
        return InferenceResponse(
            model_name=self.name, model_version=self.version, outputs=[NumpyCodec.encode_output("logits", logits)]
        )
