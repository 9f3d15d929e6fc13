package org.pocketbench.host;

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.pocketbench.core.BFloat16;
import org.pocketbench.core.Delegation;
import org.pocketbench.core.Dtype;
import org.pocketbench.core.Engine;
import org.pocketbench.core.EngineRuntime;
import org.pocketbench.core.Pte;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Tensor;
import org.pocketbench.core.TensorSpec;

/** ExecuTorch's Module with XNNPACK and the portable kernels; the quantized ones come in when a file needs them. */
final class ExecuTorchRuntime implements EngineRuntime {
    private final int threads;

    ExecuTorchRuntime(int wanted) throws Refused {
        threads = ExecuTorch.threads(wanted);
        if (threads != wanted) {
            throw new Refused("ExecuTorch was asked for " + wanted + " threads and has " + threads);
        }
    }

    @Override
    public Engine load(File file, List<long[]> shapes) throws Refused {
        try {
            return new Loaded(ExecuTorch.create(file.getPath()), Pte.of(file), "");
        } catch (RuntimeException first) {
            return again(file, first);
        }
    }

    /** Once more with the kernels that the core library lacks. */
    private static Engine again(File file, RuntimeException first) throws Refused {
        String library = System.getProperty("pocketbench.kernels", "");
        if (library.isEmpty() || !ExecuTorch.kernels(library).isEmpty()) {
            throw refused(first);
        }
        try {
            return new Loaded(ExecuTorch.create(file.getPath()), Pte.of(file), new File(library).getName());
        } catch (RuntimeException error) {
            throw refused(first);
        }
    }

    private static Refused refused(RuntimeException error) {
        return new Refused("ExecuTorch refused the file: " + Refused.oneLine(error), "see the log; make the file anew");
    }

    @Override
    public Map<String, String> facts() {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("executorch_version", System.getProperty("pocketbench.executorch", ""));
        facts.put("executorch_threads", Integer.toString(threads));
        return facts;
    }

    private static final class Loaded implements Engine {
        private final Pte file;
        private final String kernels;
        private long build;

        Loaded(long build, Pte file, String kernels) {
            this.build = build;
            this.file = file;
            this.kernels = kernels;
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
            int count = values.size();
            ByteBuffer[] bytes = new ByteBuffer[count];
            long[][] shapes = new long[count][];
            for (int i = 0; i < count; i++) {
                boolean narrow = file.inputs.get(i).dtype.equals("bfloat16");
                bytes[i] = narrow ? BFloat16.packed(values.get(i)) : values.get(i).data;
                shapes[i] = values.get(i).shape;
            }
            return () -> {
                for (int i = 0; i < count; i++) {
                    ExecuTorch.feed(build, i, bytes[i], shapes[i]);
                }
            };
        }

        @Override
        public void invoke() {
            ExecuTorch.run(build);
        }

        @Override
        public List<Tensor> read() {
            List<Tensor> found = new ArrayList<>();
            for (int i = 0; i < file.outputs.size(); i++) {
                long[] shape = ExecuTorch.shape(build, i);
                TensorSpec spec = file.outputs.get(i);
                if (spec.dtype.equals("bfloat16")) {
                    int count = new Tensor(Dtype.INT8, shape).count();
                    ByteBuffer bytes = ByteBuffer.allocateDirect(2 * count).order(ByteOrder.LITTLE_ENDIAN);
                    ExecuTorch.read(build, i, bytes);
                    found.add(BFloat16.unpacked(bytes, shape));
                } else {
                    Tensor copy = new Tensor(Dtype.of(spec.dtype), shape);
                    ExecuTorch.read(build, i, copy.data);
                    found.add(copy);
                }
            }
            return found;
        }

        /** The runtime cannot: a mutable buffer keeps its value for as long as the method lives. */
        @Override
        public void reset() {}

        @Override
        public Delegation delegation() {
            return new Delegation(file.delegates, null, null);
        }

        @Override
        public Map<String, String> facts() {
            Map<String, String> facts = new LinkedHashMap<>();
            if (!kernels.isEmpty()) {
                facts.put("extra_kernels", kernels);
            }
            return facts;
        }

        @Override
        public void close() {
            if (build != 0) {
                ExecuTorch.destroy(build);
            }
            build = 0;
        }
    }
}
