"""Model files as Keras users have them. Imports TensorFlow.

net.keras, scaled.keras, old.h5 (which the older generation alone opens), saved/ (two inputs, two outputs), bare/ (no
signature), lambda.h5 (which leaves a mark when it is run), own.keras (a layer whose code is not at hand), mixed.keras,
weights.weights.h5.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from keras import layers


def net() -> keras.Model:
    """Every kind of layer that goes over to torch in its own way: padding, batch norms, clamps, a shortcut, pooling.

    Layers that tests ask for by name have one: Keras counts those it names itself through a whole process.
    """
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="stem")(image)
    x = shortcut = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu", name="spatial")(x)
    x = layers.BatchNormalization(scale=False)(layers.Conv2D(16, 1, name="pointwise")(x))
    x = layers.Activation("relu")(layers.Add()([x, shortcut]))
    x = layers.MaxPooling2D()(layers.ZeroPadding2D()(x))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(64, 1, activation="relu6")(x))
    model = keras.Model(image, layers.Dense(10)(x))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):  # as training leaves them
            layer.set_weights([rng.uniform(0.5, 1.5, array.shape) for array in layer.get_weights()])
    return model


@keras.saving.register_keras_serializable("somebody")
class Own(layers.Layer):
    def call(self, inputs: object) -> object:
        return inputs


def write(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    net().save(folder / "net.keras")
    tf_keras.Sequential(
        [
            tf_keras.layers.Input((8, 8, 2)),
            tf_keras.layers.DepthwiseConv2D(3, activation="relu"),
            tf_keras.layers.BatchNormalization(),
            tf_keras.layers.Flatten(),
            tf_keras.layers.Dense(4, activation="softmax"),
        ]
    ).save(folder / "old.h5")
    keras.Sequential([keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3)]).save(
        folder / "scaled.keras"
    )
    first, second = keras.Input((4,), name="zeta"), keras.Input((3,), name="alpha")
    both = keras.Model(
        [first, second], [layers.Dense(2)(layers.Concatenate()([first, second])), layers.Dense(5)(second)]
    )
    both.export(folder / "saved", verbose=False)
    tf.saved_model.save(tf.Module(), str(folder / "bare"))
    mark = str(folder / "ran")
    tf_keras.Sequential(
        [tf_keras.layers.Input((4,)), tf_keras.layers.Lambda(lambda x: (open(mark, "w").close(), x)[1], name="leak")]
    ).save(folder / "lambda.h5")
    (folder / "ran").unlink(missing_ok=True)
    keras.Sequential([keras.Input((4,)), Own()]).save(folder / "own.keras")
    keras.Sequential([keras.Input((4,)), layers.Dense(2, dtype="mixed_float16", name="half")]).save(
        folder / "mixed.keras"
    )
    keras.Sequential([keras.Input((4,)), layers.Dense(2)]).save_weights(folder / "weights.weights.h5")
