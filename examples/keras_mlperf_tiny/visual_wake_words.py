"""MLPerf Tiny's person detector: MobileNet v1 of a quarter of the width; recorded accuracy 84.9 % in float, 85.1 % in
int8. It takes pixels from 0 to 255."""

from __future__ import annotations

import parts


def get_model():
    import tf_keras

    return tf_keras.models.load_model(parts.file("visual_wake_words.h5"), compile=False)


def get_calibration_data():
    return [255 * image for image in parts.clouds((96, 96, 3), count=100, seed=1)]


def get_evaluation_data():
    for image in parts.clouds((96, 96, 3), count=200, seed=2):
        yield 255 * image, None
