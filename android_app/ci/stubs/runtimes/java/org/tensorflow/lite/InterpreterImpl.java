package org.tensorflow.lite;

import java.util.Map;

/** Signatures alone, to compile against; the real class comes with the runtime that the flavour names. */
class InterpreterImpl implements InterpreterApi {
    public void runForMultipleInputsOutputs(Object[] inputs, Map<Integer, Object> outputs) {
        throw new RuntimeException("stub");
    }

    public void resizeInput(int idx, int[] dims) {
        throw new RuntimeException("stub");
    }

    public void allocateTensors() {
        throw new RuntimeException("stub");
    }

    public Tensor getOutputTensor(int outputIndex) {
        throw new RuntimeException("stub");
    }

    public void close() {
        throw new RuntimeException("stub");
    }
}
