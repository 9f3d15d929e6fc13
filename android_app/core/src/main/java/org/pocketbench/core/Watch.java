package org.pocketbench.core;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** What the system tells about the time in which blocks were timed. */
final class Watch {
    private final Platform platform;
    private final Clock clock;
    private String load;
    private long pressureUs;
    private long startNs;
    private long collections;
    private Map<String, Long> counts = new LinkedHashMap<>();

    Watch(Platform platform, Clock clock) {
        this.platform = platform;
        this.clock = clock;
    }

    void begin() {
        load = Linux.loadAverage();
        pressureUs = Linux.cpuPressureUs();
        counts = Linux.schedulerCounts();
        collections = platform.garbageCollections();
        startNs = clock.nanos();
    }

    /** cpu_pressure: share of the time in which some task of the machine waited for a processor. */
    Map<String, String> facts() {
        double passedUs = Math.max(1, (clock.nanos() - startNs) / 1e3);
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("java_version", System.getProperty("java.version", ""));
        facts.put("usable_cores", Integer.toString(Runtime.getRuntime().availableProcessors()));
        facts.put("load_average_before", load);
        facts.put("load_average_after", Linux.loadAverage());
        long nowUs = Linux.cpuPressureUs();
        if (nowUs >= 0 && pressureUs >= 0) {
            facts.put("cpu_pressure", String.format(Locale.ROOT, "%.3f", (nowUs - pressureUs) / passedUs));
        }
        Linux.schedulerCounts().forEach((name, count) -> {
            long before = counts.containsKey(name) ? counts.get(name) : 0;
            facts.put(name, Long.toString(count - before));
        });
        if (collections >= 0) {
            facts.put("garbage_collections", Long.toString(platform.garbageCollections() - collections));
        }
        facts.values().removeIf(String::isEmpty);
        return facts;
    }
}
