package org.pocketbench.app;

import com.google.ai.edge.litert.Accelerator;
import com.google.ai.edge.litert.CompiledModel;
import com.google.ai.edge.litert.LiteRtException;
import com.google.ai.edge.litert.TensorBuffer;
import java.io.File;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.pocketbench.core.Delegation;
import org.pocketbench.core.Engine;
import org.pocketbench.core.EngineRuntime;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Tensor;
import org.pocketbench.core.TensorSpec;
import org.pocketbench.core.Tflite;

/**
 * LiteRT's compiled model on GPU or NPU. It is asked for alone first, which works only when it takes every operator; if
 * it does not, it is asked for with the CPU behind it, and the fact `fell_back` says so.
 */
final class CompiledRuntime implements EngineRuntime {
    private final Accelerator accelerator;
    private final String name;
    private final int threads;

    CompiledRuntime(String accelerator, int threads) {
        this.name = accelerator.toUpperCase(Locale.ROOT);
        this.accelerator = Accelerator.valueOf(name);
        this.threads = threads;
    }

    @Override
    public Engine load(File file, List<long[]> shapes) throws Refused {
        Tflite known = Tflite.of(file);
        for (int i = 0; i < Math.min(shapes.size(), known.inputs.size()); i++) {
            if (known.inputs.get(i).resized(shapes.get(i)) != null) {
                String input = known.inputs.get(i).name;
                throw new Refused("input '" + input + "' has no fixed shape, which " + name + " needs",
                        "convert the model with fixed shapes");
            }
        }
        try {
            // LiteRT puts the CPU behind an NPU by itself, so that all or nothing cannot be asked for.
            return new Loaded(compiled(file, accelerator), known, name, accelerator == Accelerator.GPU ? "" : "cpu");
        } catch (LiteRtException | RuntimeException alone) {
            return withCpu(file, known, alone);
        }
    }

    private Engine withCpu(File file, Tflite known, Exception alone) throws Refused {
        try {
            return new Loaded(compiled(file, accelerator, Accelerator.CPU), known, name, Refused.oneLine(alone));
        } catch (LiteRtException | RuntimeException error) {
            throw known.refused(error);
        }
    }

    private CompiledModel compiled(File file, Accelerator... accelerators) throws LiteRtException {
        CompiledModel.Options options = new CompiledModel.Options(accelerators);
        options.setCpuOptions(new CompiledModel.CpuOptions(threads, null, null));
        return CompiledModel.create(file.getPath(), options);
    }

    @Override
    public Map<String, String> facts() {
        return Collections.singletonMap("litert_version", BuildConfig.RUNTIME_VERSION);
    }

    private static final class Loaded implements Engine {
        private final CompiledModel model;
        private final Tflite file;
        private final String name;
        private final String fellBack;
        private final List<TensorBuffer> inputs;
        private final List<TensorBuffer> outputs;

        /** fellBack: "" where every operator is taken; `cpu` where nobody tells; else why it is not all. */
        Loaded(CompiledModel model, Tflite file, String name, String fellBack) throws LiteRtException {
            this.model = model;
            this.file = file;
            this.name = name;
            this.fellBack = fellBack;
            try {
                inputs = model.createInputBuffers();
                outputs = model.createOutputBuffers();
            } catch (LiteRtException | RuntimeException error) {
                model.close(); // it is asked for once more, with the CPU behind it
                throw error;
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
        public Runnable feeding(List<Tensor> values) throws Refused {
            List<Runnable> writes = new ArrayList<>();
            for (int i = 0; i < values.size(); i++) {
                writes.add(BufferCopies.writing(inputs.get(i), values.get(i)));
            }
            return () -> writes.forEach(Runnable::run);
        }

        @Override
        public void invoke() {
            try {
                model.run(inputs, outputs);
            } catch (LiteRtException error) {
                throw new IllegalStateException(error.getMessage(), error);
            }
        }

        @Override
        public List<Tensor> read() throws Refused {
            List<Tensor> found = new ArrayList<>();
            for (int i = 0; i < outputs.size(); i++) {
                found.add(BufferCopies.read(outputs.get(i), file.outputs.get(i)));
            }
            return found;
        }

        /** The compiled model has no call for it: see the fact `variables`. */
        @Override
        public void reset() {}

        @Override
        public Delegation delegation() {
            return new Delegation(name, fellBack.isEmpty() ? file.operators : null, file.operators);
        }

        @Override
        public Map<String, String> facts() {
            Map<String, String> facts = new LinkedHashMap<>();
            if (fellBack.equals("cpu")) {
                facts.put("delegate_share", "not told: LiteRT puts the CPU behind " + name + " by itself");
            } else if (!fellBack.isEmpty()) {
                facts.put("fell_back", name + " did not take every operator (" + fellBack + "); the CPU runs the rest");
            }
            if (file.hasVariables) {
                facts.put("variables", "kept from sample to sample");
            }
            return facts;
        }

        @Override
        public void close() {
            inputs.forEach(TensorBuffer::close);
            outputs.forEach(TensorBuffer::close);
            model.close();
        }
    }
}
