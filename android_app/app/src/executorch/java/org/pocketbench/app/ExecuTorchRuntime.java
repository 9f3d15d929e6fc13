package org.pocketbench.app;

import java.io.File;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.pocketbench.core.Delegation;
import org.pocketbench.core.Engine;
import org.pocketbench.core.EngineRuntime;
import org.pocketbench.core.Pte;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Request;
import org.pocketbench.core.Tensor;
import org.pocketbench.core.TensorSpec;
import org.pytorch.executorch.EValue;
import org.pytorch.executorch.Module;

/** ExecuTorch's Module. It sizes one thread pool per process, so that all builds of a request share it. */
final class ExecuTorchRuntime implements EngineRuntime {
    private final Request.Timing timing;

    ExecuTorchRuntime(Request.Timing timing) {
        this.timing = timing;
    }

    @Override
    public Engine load(File file, List<long[]> shapes) throws Refused {
        Pte known = Pte.of(file);
        check(known.delegates);
        try {
            Module module = Module.load(file.getPath(), Module.LOAD_MODE_MMAP, timing.numThreads);
            try {
                module.loadMethod("forward"); // else the first call pays for it
            } catch (RuntimeException error) {
                module.destroy(); // its memory would count as that of the next build
                throw error;
            }
            return new Loaded(module, known);
        } catch (RuntimeException error) {
            throw new Refused(
                    "ExecuTorch refused the file: " + Refused.oneLine(error), "see the log; make the file anew");
        }
    }

    /** No accelerator is found at run time: a file that was not lowered to one runs on the CPU. */
    private void check(String delegates) throws Refused {
        String wanted = timing.accelerator.equals("gpu") ? "VulkanBackend" : "QnnBackend";
        if (!timing.accelerator.equals("cpu") && !delegates.contains(wanted)) {
            String found = delegates.isEmpty() ? "none" : delegates;
            throw new Refused("the file is not lowered to " + wanted + " but to " + found,
                    "lower it to " + wanted + ", or measure it on the cpu");
        }
    }

    @Override
    public Map<String, String> facts() {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("executorch_version", BuildConfig.RUNTIME_VERSION);
        facts.put("executorch_threads", Integer.toString(timing.numThreads));
        return facts;
    }

    private static final class Loaded implements Engine {
        private final Module module;
        private final Pte file;
        private EValue[] inputs;
        private EValue[] outputs;

        Loaded(Module module, Pte file) {
            this.module = module;
            this.file = file;
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
            EValue[] chosen = new EValue[values.size()];
            for (int i = 0; i < chosen.length; i++) {
                chosen[i] = EValue.from(Blobs.of(values.get(i), file.inputs.get(i)));
            }
            return () -> inputs = chosen;
        }

        /** Java hands the inputs over and gets the outputs wrapped in the same call: both are in the time. */
        @Override
        public void invoke() {
            outputs = module.forward(inputs);
        }

        @Override
        public List<Tensor> read() throws Refused {
            if (outputs.length != file.outputs.size()) {
                throw new Refused("it returned " + outputs.length + " outputs of " + file.outputs.size());
            }
            List<Tensor> found = new ArrayList<>();
            for (int i = 0; i < outputs.length; i++) {
                found.add(Blobs.copy(outputs[i].toTensor(), file.outputs.get(i)));
            }
            return found;
        }

        /** The runtime cannot: a mutable buffer keeps its value for as long as the module lives. */
        @Override
        public void reset() {}

        @Override
        public Delegation delegation() {
            return new Delegation(file.delegates, null, null);
        }

        @Override
        public Map<String, String> facts() {
            Map<String, String> facts = new LinkedHashMap<>();
            facts.put("in_the_time", "handing the inputs over, wrapping the outputs");
            return facts;
        }

        @Override
        public void close() {
            module.destroy();
        }
    }
}
