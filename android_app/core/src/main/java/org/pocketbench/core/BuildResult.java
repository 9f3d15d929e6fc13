package org.pocketbench.core;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What came of one build; failure: "", or one line, and then its numbers are void. */
public final class BuildResult {
    public final String build;
    public String failure = "";
    public long loadNs;
    public long firstInferenceNs;
    public Block warmup;
    public boolean steady;
    public Map<String, Object> memory;
    public Map<String, Object> energy;
    public Delegation delegation = Delegation.UNKNOWN;
    public final List<Block> blocks = new ArrayList<>();
    public final Map<String, String> facts = new LinkedHashMap<>();
    public List<TensorSpec> inputs = Collections.emptyList();
    public List<TensorSpec> outputs = Collections.emptyList();
    public List<TensorFile> outputFiles = Collections.emptyList();

    public BuildResult(String build) {
        this.build = build;
    }

    static BuildResult failed(String build, String failure) {
        BuildResult result = new BuildResult(build);
        result.failure = failure;
        return result;
    }

    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("build", build);
        json.put("load_ns", loadNs);
        json.put("first_inference_ns", firstInferenceNs);
        json.put("warmup", warmup == null ? null : warmup.toJson());
        List<Object> timed = new ArrayList<>();
        blocks.forEach(block -> timed.add(block.toJson()));
        json.put("blocks", timed);
        json.put("steady", steady);
        json.put("memory", memory);
        json.put("inputs", specs(inputs));
        json.put("outputs", specs(outputs));
        List<Object> files = new ArrayList<>();
        outputFiles.forEach(file -> files.add(file.toJson()));
        json.put("output_files", files);
        json.put("delegate", delegation.delegate);
        json.put("delegated_operators", delegation.delegatedOperators);
        json.put("total_operators", delegation.totalOperators);
        json.put("facts", facts);
        json.put("energy", energy);
        json.put("failure", failure);
        return json;
    }

    private static List<Object> specs(List<TensorSpec> specs) {
        List<Object> found = new ArrayList<>();
        specs.forEach(spec -> found.add(spec.toJson()));
        return found;
    }
}
