package org.pocketbench.core;

import java.util.List;
import java.util.Map;

/** One loaded build. Tensors are one sample, in the build's own shapes and dtypes (see {@link TensorSpec#stored}). */
public interface Engine extends Invoke, AutoCloseable {
    List<TensorSpec> inputs();

    List<TensorSpec> outputs();

    /** A function that hands these inputs to the build; everything that can be done before is done here. */
    Runnable feeding(List<Tensor> values) throws Refused;

    /** Copies of the outputs of the last call. */
    List<Tensor> read() throws Refused;

    /** Forget what earlier calls left behind in the build's variables, where the runtime can. */
    void reset();

    Delegation delegation();

    /** What else this runtime tells about the build. */
    Map<String, String> facts();

    @Override
    void close();
}
