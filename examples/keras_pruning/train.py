"""Makes weights.npz: `python train.py`. Half a minute; the float weights are kept in 16 bits to keep the file small."""

from __future__ import annotations

import keras
import model as source
import numpy as np


def main() -> None:
    keras.utils.set_random_seed(0)
    network = source.build()
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    network.fit(*source.read("train", 60_000), batch_size=128, epochs=8, verbose=2)
    np.savez_compressed(source.WEIGHTS, *[array.astype("float16") for array in network.get_weights()])
    print("test accuracy", network.evaluate(*source.read("t10k", 10_000), verbose=0)[1])


if __name__ == "__main__":
    main()
