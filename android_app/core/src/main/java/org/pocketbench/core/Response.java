package org.pocketbench.core;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.text.SimpleDateFormat;
import java.util.ArrayList;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TimeZone;

/** Everything one process found out: results in the order of the request's builds, facts of the process. */
public final class Response {
    public final String runId;
    public final String started;
    public final List<BuildResult> results = new ArrayList<>();
    public final Map<String, String> facts = new LinkedHashMap<>();

    public Response(String runId, String started) {
        this.runId = runId;
        this.started = started;
    }

    /** Now, as the twin spells it: 2026-01-02T03:04:05.678+00:00. */
    static String now() {
        SimpleDateFormat format = new SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'+00:00'", Locale.ROOT);
        format.setTimeZone(TimeZone.getTimeZone("UTC"));
        return format.format(new Date());
    }

    public String toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("wire_version", Request.WIRE_VERSION);
        json.put("run_id", runId);
        json.put("started", started);
        List<Object> builds = new ArrayList<>();
        results.forEach(result -> builds.add(result.toJson()));
        json.put("results", builds);
        json.put("facts", facts);
        return JsonText.of(json);
    }

    /** Written whole or not at all: beside its place, synced, then moved there. */
    public void write(File place) throws Refused {
        File temporary = new File(place.getPath() + ".tmp");
        try (FileOutputStream file = new FileOutputStream(temporary)) {
            file.write(toJson().getBytes(StandardCharsets.UTF_8));
            file.getFD().sync();
        } catch (IOException error) {
            throw new Refused(place + " cannot be written: " + Refused.oneLine(error));
        }
        if (!temporary.renameTo(place)) {
            throw new Refused(place + " cannot be written: its text cannot be moved there");
        }
    }
}
