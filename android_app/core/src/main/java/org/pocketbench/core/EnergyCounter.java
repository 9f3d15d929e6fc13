package org.pocketbench.core;

/** A counter of charge left (charge_uah) or of energy used (energy_uj). */
public interface EnergyCounter {
    String source();

    /** `charge_uah` or `energy_uj`. */
    String kind();

    /** NaN where it cannot be read any more. */
    double read();

    /** Beside a counter of charge; NaN for a counter of energy. */
    double volts();

    boolean charging();

    /** Smallest step and how often it moves, null where only the readings tell. */
    Double quantum();

    Double refreshSecs();
}
