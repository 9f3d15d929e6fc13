package org.pocketbench.app;

import java.io.File;
import java.nio.Buffer;
import java.nio.ByteOrder;
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
import org.tensorflow.lite.Interpreter;

/** LiteRT's interpreter on the CPU, with its default XNNPACK delegate. */
final class InterpreterRuntime implements EngineRuntime {
    private final int threads;

    InterpreterRuntime(int threads) {
        this.threads = threads;
    }

    @Override
    public Engine load(File file, List<long[]> shapes) throws Refused {
        int before = Linux.threadCount();
        Tflite known = Tflite.of(file);
        try {
            Interpreter.Options options = new Interpreter.Options();
            options.setNumThreads(threads);
            options.setUseXNNPACK(true);
            Interpreter interpreter = new Interpreter(file, options);
            try {
                allocate(interpreter, known, shapes);
            } catch (RuntimeException error) {
                interpreter.close(); // its memory would count as that of the next build
                throw error;
            }
            return new Loaded(interpreter, known, Linux.threadCount() - before);
        } catch (RuntimeException error) {
            throw known.refused(error);
        }
    }

    private static void allocate(Interpreter interpreter, Tflite known, List<long[]> shapes) {
        for (int i = 0; i < Math.min(shapes.size(), known.inputs.size()); i++) {
            long[] shape = known.inputs.get(i).resized(shapes.get(i));
            if (shape != null) {
                interpreter.resizeInput(i, narrowed(shape));
            }
        }
        interpreter.allocateTensors();
    }

    @Override
    public Map<String, String> facts() {
        return Collections.singletonMap("litert_version", BuildConfig.RUNTIME_VERSION);
    }

    static int[] narrowed(long[] shape) {
        int[] found = new int[shape.length];
        for (int i = 0; i < shape.length; i++) {
            found[i] = Math.toIntExact(shape[i]);
        }
        return found;
    }

    private static final class Loaded implements Engine {
        private final Interpreter interpreter;
        private final Tflite file;
        private final int threadsStarted;
        private final Map<Integer, Object> nothing = new LinkedHashMap<>();
        private Object[] inputs;

        Loaded(Interpreter interpreter, Tflite file, int threadsStarted) {
            this.interpreter = interpreter;
            this.file = file;
            this.threadsStarted = threadsStarted;
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
            Object[] chosen = new Object[values.size()];
            for (int i = 0; i < chosen.length; i++) {
                chosen[i] = values.get(i).whole().order(ByteOrder.nativeOrder());
            }
            return () -> {
                for (Object buffer : chosen) {
                    ((Buffer) buffer).rewind(); // a ByteBuffer has a rewind of its own since Android 10
                }
                inputs = chosen;
            };
        }

        /** Java cannot call the graph without handing the inputs over: the copy into the tensors is in the time. */
        @Override
        public void invoke() {
            interpreter.runForMultipleInputsOutputs(inputs, nothing);
        }

        @Override
        public List<Tensor> read() {
            List<Tensor> found = new ArrayList<>();
            for (int i = 0; i < file.outputs.size(); i++) {
                int[] shape = interpreter.getOutputTensor(i).shape();
                long[] wide = new long[shape.length];
                for (int j = 0; j < wide.length; j++) {
                    wide[j] = shape[j];
                }
                Tensor copy = new Tensor(Dtype.of(file.outputs.get(i).stored()), wide);
                copy.whole().put(interpreter.getOutputTensor(i).asReadOnlyBuffer());
                found.add(copy);
            }
            return found;
        }

        @Override
        public void reset() {
            interpreter.resetVariableTensors();
        }

        /** The interpreter's Java does not tell what XNNPACK took: see the build's contents. */
        @Override
        public Delegation delegation() {
            return new Delegation("XNNPACK", null, null);
        }

        @Override
        public Map<String, String> facts() {
            Map<String, String> facts = new LinkedHashMap<>();
            facts.put("worker_threads", Integer.toString(threadsStarted));
            facts.put("in_the_time", "copying the inputs into the interpreter");
            return facts;
        }

        @Override
        public void close() {
            interpreter.close();
        }
    }
}
