"""Serve an ONNX file that Headstart exported with LitServe, for `serve.py`.

    python benchmarks/serve_litserve.py model.onnx PORT

Needs LitServe, ONNX Runtime, NumPy and Pillow. Requests are JSON with base64 in `image`.
"""

import base64
import io
import json
import sys

import litserve
import numpy as np
import onnxruntime
from PIL import Image


class Classify(litserve.LitAPI):
    def setup(self, device):
        self.session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.class_names = json.loads(metadata["class_names"])
        self.shape = json.loads(metadata["image_shape"])

    def decode_request(self, request):
        image = Image.open(io.BytesIO(base64.b64decode(request["image"])))
        return np.asarray(image).reshape(self.shape)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, x):
        x = x if x.ndim == 4 else x[None]
        return self.session.run(["probabilities"], {"images": x})[0].argmax(1)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"label": self.class_names[int(output)]}


if __name__ == "__main__":
    # Of 0, 1 and 5 ms, see serve.md.
    api = Classify(max_batch_size=32, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", track_requests=False)
    server.run(port=int(sys.argv[2]), generate_client_file=False, log_level="warning")
