package org.pocketbench.core;

import java.io.File;
import java.nio.file.Files;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongUnaryOperator;

/** Stand-ins whose time passes only when they say so. */
final class Fakes {
    private Fakes() {}

    /** Every look costs lookNs. */
    static final class FakeClock implements Clock {
        long nowNs;
        long lookNs;

        @Override
        public long nanos() {
            nowNs += lookNs;
            return nowNs;
        }
    }

    /** y = 2 x over one float32 [1, 2]; a call takes what costNs says of its number. */
    static final class FakeEngine implements Engine {
        final FakeClock clock;
        final List<String> fed = new ArrayList<>();
        LongUnaryOperator costNs = number -> 1_000_000;
        TensorSpec input = new TensorSpec("x", new long[] {1, 2}, "float32");
        Delegation delegation = new Delegation("FAKE", 3L, 4L);
        boolean spoils; // whether a call changes its input
        long failsAt = Long.MAX_VALUE;
        long calls;
        int resets;
        boolean closed;
        private Tensor now;

        FakeEngine(FakeClock clock) {
            this.clock = clock;
        }

        @Override
        public List<TensorSpec> inputs() {
            return Collections.singletonList(input);
        }

        @Override
        public List<TensorSpec> outputs() {
            return Collections.singletonList(new TensorSpec("y", new long[] {1, 2}, "float32"));
        }

        @Override
        public Runnable feeding(List<Tensor> values) {
            Tensor value = values.get(0);
            return () -> {
                now = new Tensor(value.dtype, value.shape);
                now.whole().put(value.whole());
                fed.add(value.real(0) + "");
            };
        }

        @Override
        public void invoke() {
            if (++calls >= failsAt) {
                throw new IllegalStateException("node 7\n failed");
            }
            clock.nowNs += costNs.applyAsLong(calls);
            if (spoils) {
                now.data.putFloat(0, now.data.getFloat(0) + 1);
            }
        }

        @Override
        public List<Tensor> read() {
            Tensor found = new Tensor(Dtype.FLOAT32, new long[] {1, 2});
            found.data.putFloat(0, (float) (2 * now.real(0)));
            found.data.putFloat(4, (float) (2 * now.real(1)));
            return Collections.singletonList(found);
        }

        @Override
        public void reset() {
            resets++;
        }

        @Override
        public Delegation delegation() {
            return delegation;
        }

        @Override
        public Map<String, String> facts() {
            return Collections.singletonMap("engine", "fake");
        }

        @Override
        public void close() {
            closed = true;
        }
    }

    static class FakePlatform implements Platform {
        EnergyCounter counter;
        int blocks;

        @Override
        public void freeMemory() {}

        @Override
        public long garbageCollections() {
            return 5;
        }

        @Override
        public EnergyCounter energy() {
            return counter;
        }

        @Override
        public void blockEnded() {
            blocks++;
        }

        @Override
        public Map<String, String> facts() {
            return Collections.singletonMap("platform", "fake");
        }
    }

    /** Hears the given words, then FINISH. */
    static final class FakeChannel implements Channel {
        final List<String> said = new ArrayList<>();
        final Deque<String> words;

        FakeChannel(String... words) {
            this.words = new ArrayDeque<>(Arrays.asList(words));
        }

        @Override
        public void say(String line) {
            said.add(line);
        }

        @Override
        public String hear() {
            return words.isEmpty() ? FINISH : words.removeFirst();
        }
    }

    /** A request of one build `tflite/a` whose file is a.tflite, with some values changed: "timing.num_runs", 5 ... */
    static Map<String, Object> request(Object... changes) {
        Map<String, Object> timing = new LinkedHashMap<>();
        timing.put("num_threads", 1L);
        timing.put("warmup_runs", 3L);
        timing.put("warmup_min_secs", 0.0);
        timing.put("warmup_max_secs", 1.0);
        timing.put("num_runs", 40L);
        timing.put("min_secs", 0.0);
        timing.put("max_secs", 10.0);
        timing.put("blocks", 4L);
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("run_id", "test");
        json.put("builds", new ArrayList<>(Collections.singletonList(build("tflite/a", "a.tflite"))));
        json.put("timing", timing);
        for (int i = 0; i < changes.length; i += 2) {
            String key = (String) changes[i];
            (key.startsWith("timing.") ? timing : json).put(key.replace("timing.", ""), changes[i + 1]);
        }
        return json;
    }

    static final String SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    static Map<String, Object> build(String id, String path) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("id", id);
        json.put("runtime", "tflite");
        json.put("path", path);
        json.put("sha256", SHA256_OF_ABC);
        return json;
    }

    static Request read(Map<String, Object> json) throws Refused {
        return Request.read(JsonText.of(json));
    }

    /** A new folder with a.tflite and b.tflite, which hold "abc". */
    static File folder() throws java.io.IOException {
        File folder = Files.createTempDirectory("pocketbench").toFile();
        for (String name : new String[] {"a.tflite", "b.tflite"}) {
            Files.write(new File(folder, name).toPath(), "abc".getBytes("ascii"));
        }
        return folder;
    }
}
