package org.pocketbench.core;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** What Linux says about this process and this machine; an empty answer where a file is not there. */
public final class Linux {
    private Linux() {}

    /** A small file of /proc or /sys, "" where the system has none or does not let us read it. */
    public static String textOf(String path) {
        byte[] text = new byte[65536];
        int count = 0;
        try (FileInputStream file = new FileInputStream(path)) {
            for (int read = 0; read >= 0 && count < text.length; count += Math.max(read, 0)) {
                read = file.read(text, count, text.length - count);
            }
        } catch (IOException absent) {
            return "";
        }
        return new String(text, 0, count, StandardCharsets.UTF_8).trim();
    }

    /** `key : value` lines, the first of each key. */
    static Map<String, String> fieldsOf(String text) {
        Map<String, String> found = new LinkedHashMap<>();
        for (String line : text.split("\n")) {
            String[] parts = line.split(":", 2);
            found.putIfAbsent(parts[0].trim(), parts.length > 1 ? parts[1].trim() : "");
        }
        return found;
    }

    /** A line such as `VmHWM: 5120 kB`, null where there is none. */
    static Long kilobytes(Map<String, String> fields, String name) {
        String value = fields.getOrDefault(name, "").split(" ")[0];
        return value.matches("[0-9]+") ? Long.valueOf(value) : null;
    }

    static Map<String, String> status() {
        return fieldsOf(textOf("/proc/self/status"));
    }

    static String loadAverage() {
        String[] fields = textOf("/proc/loadavg").split(" ");
        return fields.length < 3 ? "" : fields[0] + " " + fields[1] + " " + fields[2];
    }

    /** Microseconds since boot in which at least one task waited for a processor (PSI "some"), -1 for unknown. */
    static long cpuPressureUs() {
        for (String line : textOf("/proc/pressure/cpu").split("\n")) {
            if (line.startsWith("some") && line.contains("total=")) {
                return Long.parseLong(line.substring(line.lastIndexOf('=') + 1).trim());
            }
        }
        return -1;
    }

    /** Time that all threads of this process together stood ready to run and did not, -1 for unknown. */
    static long runQueueWaitNs() {
        long sum = -1;
        for (String thread : threads()) {
            String[] fields = textOf("/proc/self/task/" + thread + "/schedstat").split(" ");
            if (fields.length == 3) {
                sum = Math.max(sum, 0) + Long.parseLong(fields[1]);
            }
        }
        return sum;
    }

    /** Threads of this process, 0 where the system does not tell. */
    public static int threadCount() {
        return threads().length;
    }

    private static String[] threads() {
        String[] found = new File("/proc/self/task").list();
        return found == null ? new String[0] : found;
    }

    /** Moves between processors, switches that were not asked for: of the first thread, since it started. */
    static Map<String, Long> schedulerCounts() {
        Map<String, Long> found = new LinkedHashMap<>();
        put(found, "cpu_migrations", fieldsOf(textOf("/proc/self/sched")).get("se.nr_migrations"));
        put(found, "involuntary_switches", status().get("nonvoluntary_ctxt_switches"));
        return found;
    }

    private static void put(Map<String, Long> found, String name, String value) {
        if (value != null && value.matches("[0-9]+")) {
            found.put(name, Long.valueOf(value));
        }
    }
}
