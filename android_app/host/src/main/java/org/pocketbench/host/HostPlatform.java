package org.pocketbench.host;

import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import org.pocketbench.core.EnergyCounter;
import org.pocketbench.core.Platform;

/** A JVM on Linux. */
final class HostPlatform implements Platform {
    @Override
    public void freeMemory() {
        System.gc();
        Native.trim();
    }

    @Override
    public long garbageCollections() {
        long sum = 0;
        for (GarbageCollectorMXBean collector : ManagementFactory.getGarbageCollectorMXBeans()) {
            sum += Math.max(0, collector.getCollectionCount());
        }
        return sum;
    }

    /** The counters of a computer's processors are read by the worker in Python. */
    @Override
    public EnergyCounter energy() {
        return null;
    }

    @Override
    public void blockEnded() {}

    @Override
    public Map<String, String> facts() {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("worker", "the app's Java on this machine's " + System.getProperty("java.vm.name", "JVM"));
        return facts;
    }
}
