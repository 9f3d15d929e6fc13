package org.pocketbench.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.Test;

/** The two JSON files: what both ends must accept, and what both must refuse (tests/data/wire, read by Python too). */
public class WireFixturesTest {
    private static final File FOLDER = new File(System.getProperty("pocketbench.fixtures"));

    private static File[] named(String part) {
        File[] found = FOLDER.listFiles((folder, name) -> name.contains(part));
        assertNotNull("no fixtures in " + FOLDER, found);
        Arrays.sort(found);
        return found;
    }

    private static void read(File file) throws Refused {
        if (file.getName().startsWith("request")) {
            Request.read(JobFile.text(file));
        } else {
            ResponseReader.read(JobFile.text(file));
        }
    }

    @Test
    public void whatIsValidIsRead() throws Refused {
        for (File file : named("_valid_")) {
            read(file);
        }
        assertTrue(named("_valid_").length >= 5);
    }

    @Test
    public void whatIsNotInTheContractIsRefused() {
        for (File file : named("_refused_")) {
            String reason = "";
            try {
                read(file);
            } catch (Refused refused) {
                reason = refused.getMessage();
            }
            assertTrue(file.getName() + " was read", !reason.isEmpty());
            assertTrue(file.getName(), !reason.contains("\n"));
        }
        assertTrue(named("_refused_").length >= 25);
    }

    @Test
    public void everyFixtureIsOneOrTheOther() {
        assertEquals(named("").length, named("_valid_").length + named("_refused_").length);
    }

    @Test
    public void theFullRequestIsUnderstoodAsItIsMeant() throws Refused {
        Request request = Request.read(JobFile.text(new File(FOLDER, "request_valid_full.json")));
        assertEquals("full", request.runId);
        assertEquals("executorch", request.builds.get(1).runtime);
        assertEquals("model.pte", request.builds.get(1).path);
        assertEquals(8.0, request.timing.warmupMaxSecs, 0);
        assertEquals(50, request.timing.numRuns);
        assertEquals(200, request.plan.get(2).calls);
        assertEquals(1, request.plan.get(2).build);
        assertTrue(request.paced);
        assertEquals("int64", request.inputs.get(1).dtype);
        assertEquals(Arrays.toString(new long[] {1, 3, 96, 96}), Arrays.toString(request.inputs.get(0).shape));
        assertEquals("outputs", request.outputs);
        assertEquals(250, request.samplesPerBlock);
    }

    @Test
    public void theMinimalRequestGetsTheDefaultsOfTheTwin() throws Refused {
        Request request = Request.read(JobFile.text(new File(FOLDER, "request_valid_minimal.json")));
        assertEquals("cpu", request.timing.accelerator);
        assertTrue(!request.paced && request.plan.isEmpty() && request.inputs.isEmpty());
        assertEquals("", request.outputs);
        assertEquals(0, request.samplesPerBlock);
    }

    @Test
    public void namesInAnyLanguageArriveWhole() throws Refused {
        Request request = Request.read(JobFile.text(new File(FOLDER, "request_valid_unicode.json")));
        assertEquals("Pr\u00fcfung 1 \u2013 \u6a21\u578b", request.runId);
        assertEquals("tflite/fp32 \"quoted\"", request.builds.get(0).id);
    }

    @Test
    public void whatJavaWritesOfAResponseIsWhatWasSent() throws Refused {
        for (File file : named("response_valid_")) {
            Object sent = Json.read(JobFile.text(file));
            Object written = Json.read(ResponseReader.read(JobFile.text(file)).toJson());
            assertTrue(file.getName() + " lost a value", kept(sent, written));
        }
    }

    /** Whether all that was sent is written, defaults beside it allowed. */
    private static boolean kept(Object sent, Object written) {
        if (sent instanceof Map) {
            Map<?, ?> other = (Map<?, ?>) written;
            return ((Map<?, ?>) sent).entrySet().stream()
                    .allMatch(entry -> other.containsKey(entry.getKey())
                            && kept(entry.getValue(), other.get(entry.getKey())));
        }
        if (sent instanceof List) {
            List<?> one = (List<?>) sent;
            List<?> other = (List<?>) written;
            boolean same = one.size() == other.size();
            for (int i = 0; same && i < one.size(); i++) {
                same = kept(one.get(i), other.get(i));
            }
            return same;
        }
        boolean numbers = sent instanceof Number && written instanceof Number;
        return numbers ? ((Number) sent).doubleValue() == ((Number) written).doubleValue()
                : sent == null ? written == null : sent.equals(written);
    }
}
