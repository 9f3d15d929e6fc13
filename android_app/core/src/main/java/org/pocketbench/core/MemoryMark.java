package org.pocketbench.core;

import java.io.FileOutputStream;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Where the memory of the process stood before a load, and what was added since: the kernel's own high-water mark,
 * never a poll. The twin of device_runners/memory.py.
 */
final class MemoryMark {
    static final String RESET = "VmHWM after reset";
    static final String NOT_RESET = "VmHWM, mark not reset";

    private final long peakKb;
    private final Long anonymousKb;
    private final Long fileBackedKb;
    private final String method;

    private MemoryMark(Long peakKb, Long[] split, String method) {
        this.peakKb = peakKb == null ? 0 : peakKb;
        anonymousKb = split[0];
        fileBackedKb = split[1];
        this.method = method;
    }

    static MemoryMark set(Platform platform) {
        platform.freeMemory();
        String method = RESET;
        try (FileOutputStream mark = new FileOutputStream("/proc/self/clear_refs")) {
            mark.write('5');
        } catch (IOException forbidden) {
            method = NOT_RESET;
        }
        Long[] unknown = {null, null};
        return new MemoryMark(peakKb(), method.equals(RESET) ? splitKb() : unknown, method);
    }

    /** Peak since the mark, and how much more stays resident now, split by what backs it. */
    Map<String, Object> since() {
        Long now = peakKb();
        long peak = now == null ? 0 : now;
        Long[] split = splitKb();
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("peak_rss_mb", Math.max(0, peak - peakKb) / 1024.0);
        json.put("total_peak_rss_mb", peak / 1024.0);
        json.put("anonymous_mb", grownMb(anonymousKb, split[0]));
        json.put("file_backed_mb", grownMb(fileBackedKb, split[1]));
        json.put("method", method);
        return json;
    }

    /**
     * What the whole process holds now, of pages that it shares with others its share (PSS), and what backs it: an app
     * shares much of what stands in its high-water mark with every other app. Nothing of what a kernel does not tell.
     */
    static Map<String, String> shareOfProcess() {
        Map<String, String> fields = Linux.fieldsOf(Linux.textOf("/proc/self/smaps_rollup"));
        Map<String, String> facts = new LinkedHashMap<>();
        for (String name : new String[] {"Pss", "Pss_Anon", "Pss_File"}) {
            Long kb = Linux.kilobytes(fields, name);
            if (kb != null) {
                facts.put(name.toLowerCase(Locale.ROOT) + "_mb", String.format(Locale.ROOT, "%.1f", kb / 1024.0));
            }
        }
        return facts;
    }

    private static Double grownMb(Long beforeKb, Long nowKb) {
        return beforeKb == null || nowKb == null ? null : (Double) ((nowKb - beforeKb) / 1024.0);
    }

    private static Long peakKb() {
        return Linux.kilobytes(Linux.status(), "VmHWM");
    }

    private static Long[] splitKb() {
        Map<String, String> fields = Linux.fieldsOf(Linux.textOf("/proc/self/smaps_rollup"));
        Long resident = Linux.kilobytes(fields, "Rss");
        Long anonymous = Linux.kilobytes(fields, "Anonymous");
        return resident == null || anonymous == null
                ? new Long[] {null, null}
                : new Long[] {anonymous, resident - anonymous};
    }
}
