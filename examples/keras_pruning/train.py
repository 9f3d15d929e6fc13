"""Makes weights.npz: `python train.py`. A minute."""

from __future__ import annotations

import keras
import model as source
import numpy as np

BATCH, EPOCHS = 128, 12


def main() -> None:
    keras.utils.set_random_seed(0)
    network = source.build()
    rate = keras.optimizers.schedules.CosineDecay(1e-3, EPOCHS * 60_000 // BATCH)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    network.fit(*source.read("train", 60_000), batch_size=BATCH, epochs=EPOCHS, verbose=2)
    np.savez_compressed(source.WEIGHTS, *network.get_weights())
    print("test accuracy", network.evaluate(*source.read("t10k", 10_000), verbose=0)[1])


if __name__ == "__main__":
    main()
