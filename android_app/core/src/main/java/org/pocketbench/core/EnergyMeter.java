package org.pocketbench.core;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Readings of a counter while the process idles and around the blocks of one build; without a counter, or with no idle
 * time to hold them against, it does nothing. The twin of device_runners/energy_meter.py.
 */
final class EnergyMeter {
    private static final int IDLE_READINGS = 11;
    private static final double MOST_IDLE_SECS = 10.0;

    /** Sleeps so many seconds. */
    interface Sleep {
        void secs(double secs) throws Refused;
    }

    private static final class Reading {
        final double timeS;
        final double count;
        final double volts;

        Reading(double timeS, EnergyCounter counter) {
            this.timeS = timeS;
            count = counter.read();
            volts = counter.volts();
        }
    }

    private final EnergyCounter counter;
    private final double idleSecs;
    private final Sleep sleep;
    private final Clock clock;
    private final List<List<Reading>> idle = new ArrayList<>();
    private final List<Reading> load = new ArrayList<>();
    private boolean charging;

    /** counter: null for none. */
    EnergyMeter(EnergyCounter counter, double idleSecs, Sleep sleep, Clock clock) {
        this.counter = idleSecs > 0 ? counter : null;
        this.idleSecs = Math.min(idleSecs, MOST_IDLE_SECS);
        this.sleep = sleep;
        this.clock = clock;
    }

    /** Do nothing for a while, and read the counter meanwhile. */
    void idle() throws Refused {
        if (counter == null) {
            return;
        }
        List<Reading> readings = new ArrayList<>();
        for (int i = 0; i < IDLE_READINGS; i++) {
            if (i > 0) {
                sleep.secs(idleSecs / (IDLE_READINGS - 1));
            }
            add(readings);
        }
        idle.add(readings);
    }

    /** One reading of the load, before its first block or after any. */
    void read() {
        add(load);
    }

    /** Everything that was read, as one group; null where that is nothing, or the counter failed. */
    Map<String, Object> trace(long inferences) {
        if (counter == null || idle.isEmpty() || load.size() < 2 || failed()) {
            return null;
        }
        List<Object> blocks = new ArrayList<>();
        blocks.add(block("idle", idle.get(0), 0));
        blocks.add(block("load", load, inferences));
        for (List<Reading> after : idle.subList(1, idle.size())) {
            blocks.add(block("idle", after, 0));
        }
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("source", counter.source());
        json.put("counter", counter.kind());
        json.put("blocks", blocks);
        json.put("quantum", counter.quantum());
        json.put("refresh_secs", counter.refreshSecs());
        json.put("charging", charging);
        return json;
    }

    private void add(List<Reading> readings) {
        if (counter != null) {
            readings.add(new Reading(clock.nanos() / 1e9, counter));
            charging |= counter.charging();
        }
    }

    private boolean failed() {
        List<Reading> all = new ArrayList<>(load);
        idle.forEach(all::addAll);
        return all.stream().anyMatch(reading -> Double.isNaN(reading.count));
    }

    private static Map<String, Object> block(String kind, List<Reading> readings, long inferences) {
        double[] times = new double[readings.size()];
        double[] counts = new double[readings.size()];
        boolean tellsVolts = readings.stream().noneMatch(reading -> Double.isNaN(reading.volts));
        double[] volts = new double[tellsVolts ? readings.size() : 0];
        for (int i = 0; i < times.length; i++) {
            times[i] = readings.get(i).timeS;
            counts[i] = readings.get(i).count;
            if (volts.length > 0) {
                volts[i] = readings.get(i).volts;
            }
        }
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("kind", kind);
        json.put("group", 0);
        json.put("time_s", times);
        json.put("counter", counts);
        json.put("voltage_v", volts);
        json.put("inferences", inferences);
        return json;
    }
}
