"""MLPerf Tiny's keyword spotter: DS-CNN, trained on Speech Commands; recorded accuracy 93.9 % in float, 93.8 % in int8.

Its file was written by Keras 2.4 and opens in tf_keras alone (Keras 3 does not know the setting `groups` of its
depthwise convolutions); builds for ExecuTorch go by Keras 3 all the same.
"""

from __future__ import annotations

import parts


def get_model():
    import tf_keras

    return tf_keras.models.load_model(parts.file("keyword_spotting.h5"), compile=False)


def get_calibration_data():
    return [220 * features for features in parts.clouds((50, 10, 1), count=100, seed=1)]


def get_evaluation_data():
    for features in parts.clouds((50, 10, 1), count=200, seed=2):
        yield 220 * features, None
