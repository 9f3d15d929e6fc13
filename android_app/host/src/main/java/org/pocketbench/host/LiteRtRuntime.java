package org.pocketbench.host;

import java.io.File;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.pocketbench.core.Delegation;
import org.pocketbench.core.Dtype;
import org.pocketbench.core.Engine;
import org.pocketbench.core.EngineRuntime;
import org.pocketbench.core.Linux;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Tensor;
import org.pocketbench.core.TensorSpec;
import org.pocketbench.core.Tflite;

/** LiteRT's compiled model on the CPU, with XNNPACK. */
final class LiteRtRuntime implements EngineRuntime {
    private final int threads;

    LiteRtRuntime(int threads) {
        this.threads = threads;
        LiteRt.touch();
    }

    @Override
    public Engine load(File file, List<long[]> shapes) throws Refused {
        int before = Linux.threadCount();
        Tflite known = Tflite.of(file);
        try {
            long build = LiteRt.create(file.getPath(), threads, resized(known.inputs, shapes));
            return new Loaded(build, known, Linux.threadCount() - before);
        } catch (RuntimeException error) {
            throw known.refused(error);
        }
    }

    /** Inputs with dynamic dimensions take the sample's shape; what does not fit is named when the inputs are. */
    private static long[][] resized(List<TensorSpec> inputs, List<long[]> shapes) {
        long[][] found = new long[inputs.size()][];
        for (int i = 0; i < found.length; i++) {
            found[i] = shapes.isEmpty() ? null : inputs.get(i).resized(shapes.get(Math.min(i, shapes.size() - 1)));
        }
        return found;
    }

    @Override
    public Map<String, String> facts() {
        return Collections.singletonMap("litert_version", System.getProperty("pocketbench.litert", ""));
    }

    private static final class Loaded implements Engine {
        private final Tflite file;
        private final int threadsStarted;
        private final List<Tensor> outputs = new ArrayList<>();
        private long build;

        Loaded(long build, Tflite file, int threadsStarted) {
            this.build = build;
            this.file = file;
            this.threadsStarted = threadsStarted;
            for (int i = 0; i < file.outputs.size(); i++) {
                outputs.add(new Tensor(Dtype.of(file.outputs.get(i).stored()), LiteRt.shape(build, i)));
            }
        }

        @Override
        public List<TensorSpec> inputs() {
            return file.inputs;
        }

        @Override
        public List<TensorSpec> outputs() {
            return file.outputs;
        }

        @Override
        public Runnable feeding(List<Tensor> values) {
            ByteBuffer[] bytes = values.stream().map(value -> value.data).toArray(ByteBuffer[]::new);
            return () -> {
                for (int i = 0; i < bytes.length; i++) {
                    LiteRt.feed(build, i, bytes[i]);
                }
            };
        }

        @Override
        public void invoke() {
            LiteRt.run(build);
        }

        @Override
        public List<Tensor> read() {
            List<Tensor> found = new ArrayList<>();
            for (int i = 0; i < outputs.size(); i++) {
                Tensor copy = new Tensor(outputs.get(i).dtype, outputs.get(i).shape);
                LiteRt.read(build, i, copy.data);
                found.add(copy);
            }
            return found;
        }

        /** The compiled model has no call for it: see the fact `variables`. */
        @Override
        public void reset() {}

        @Override
        public Delegation delegation() {
            // In between all and none, the library does not tell how many.
            boolean fully = LiteRt.fully(build);
            return new Delegation(fully ? "XNNPACK" : "", fully ? file.operators : null, file.operators);
        }

        @Override
        public Map<String, String> facts() {
            Map<String, String> facts = new LinkedHashMap<>();
            facts.put("worker_threads", Integer.toString(threadsStarted));
            if (file.hasVariables) {
                facts.put("variables", "kept from sample to sample");
            }
            return facts;
        }

        @Override
        public void close() {
            if (build != 0) {
                LiteRt.destroy(build);
            }
            build = 0;
        }
    }
}
