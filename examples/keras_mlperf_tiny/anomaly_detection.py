"""MLPerf Tiny's anomaly detector: an autoencoder of dense layers over spectrograms of machines."""

from __future__ import annotations

import parts


def get_model():
    import keras

    return keras.models.load_model(parts.file("anomaly_detection.h5"), compile=False)


def get_calibration_data():
    return [230 * features for features in parts.clouds((5, 128, 1), count=100, seed=1)]


def get_evaluation_data():
    for features in parts.clouds((5, 128, 1), count=200, seed=2):
        yield 230 * features, None
