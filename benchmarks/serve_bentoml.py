"""Serve an ONNX file that Headstart exported with BentoML, for `serve.py`.

    MODEL=model.onnx bentoml serve serve_bentoml:Classify --port PORT

Needs BentoML, ONNX Runtime, NumPy and Pillow. Requests are JSON with a list of base64 in `images`,
which BentoML joins to batches.
"""

import base64
import io
import json
import os

import bentoml
import numpy as np
import onnxruntime
from PIL import Image


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Classify:
    def __init__(self) -> None:
        self.session = onnxruntime.InferenceSession(
            os.environ["MODEL"], providers=["CPUExecutionProvider"]
        )
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.class_names = json.loads(metadata["class_names"])
        self.shape = json.loads(metadata["image_shape"])

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=60_000)
    def predict(self, images: list[str]) -> list[str]:
        decoded = [Image.open(io.BytesIO(base64.b64decode(image))) for image in images]
        x = np.stack([np.asarray(image).reshape(self.shape) for image in decoded])
        probabilities = self.session.run(["probabilities"], {"images": x})[0]
        return [self.class_names[number] for number in probabilities.argmax(1)]
