package org.pocketbench.core;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Reads what the twin reads, so that the fixtures of responses can be held against what Java writes. */
final class ResponseReader {
    private ResponseReader() {}

    static Response read(String text) throws Refused {
        Fields fields = Fields.of(Json.read(text), "$");
        if (fields.count("wire_version", 0, Request.WIRE_VERSION) != Request.WIRE_VERSION) {
            throw new Refused("another wire version");
        }
        Response response = new Response(fields.text("run_id"), fields.text("started"));
        for (Fields result : fields.objects("results", false)) {
            response.results.add(result(result));
        }
        response.facts.putAll(fields.texts("facts"));
        fields.end();
        return response;
    }

    private static BuildResult result(Fields fields) throws Refused {
        BuildResult result = new BuildResult(fields.text("build"));
        result.loadNs = fields.count("load_ns", 0, 0);
        result.firstInferenceNs = fields.count("first_inference_ns", 0, 0);
        Fields warmup = fields.inner("warmup");
        result.warmup = warmup == null ? null : block(warmup);
        for (Fields block : fields.objects("blocks", true)) {
            result.blocks.add(block(block));
        }
        result.steady = fields.flag("steady", true);
        result.memory = memory(fields.inner("memory"));
        result.inputs = specs(fields.objects("inputs", true));
        result.outputs = specs(fields.objects("outputs", true));
        List<TensorFile> files = new ArrayList<>();
        for (Fields file : fields.objects("output_files", true)) {
            files.add(TensorFile.of(file));
        }
        result.outputFiles = files;
        result.delegation = new Delegation(fields.text("delegate", ""), fields.wholeOrNull("delegated_operators"),
                fields.wholeOrNull("total_operators"));
        result.facts.putAll(fields.texts("facts"));
        result.energy = energy(fields.inner("energy"));
        result.failure = fields.text("failure", "");
        fields.end();
        return result;
    }

    private static Block block(Fields fields) throws Refused {
        long[] waits = fields.has("wait_ns") ? fields.counts("wait_ns", 0) : new long[0];
        Block block = new Block(fields.counts("wall_ns", 0), waits, fields.count("calls_per_sample", 1, 1),
                fields.wholeOrNull("canary_ns"), fields.wholeOrNull("start_ns"));
        fields.end();
        return block;
    }

    private static List<TensorSpec> specs(List<Fields> list) throws Refused {
        List<TensorSpec> found = new ArrayList<>();
        for (Fields fields : list) {
            found.add(new TensorSpec(fields.text("name"), fields.counts("shape", -1), fields.text("dtype"),
                    fields.numberOrNull("scale"), fields.wholeOrNull("zero_point")));
            fields.end();
        }
        return found;
    }

    private static Map<String, Object> memory(Fields fields) throws Refused {
        if (fields == null) {
            return null;
        }
        Map<String, Object> found = new java.util.LinkedHashMap<>();
        found.put("peak_rss_mb", fields.number("peak_rss_mb"));
        found.put("total_peak_rss_mb", fields.number("total_peak_rss_mb"));
        found.put("anonymous_mb", fields.numberOrNull("anonymous_mb"));
        found.put("file_backed_mb", fields.numberOrNull("file_backed_mb"));
        found.put("method", fields.text("method", "VmHWM"));
        fields.end();
        return found;
    }

    private static Map<String, Object> energy(Fields fields) throws Refused {
        if (fields == null) {
            return null;
        }
        Map<String, Object> found = new java.util.LinkedHashMap<>();
        found.put("source", fields.text("source"));
        found.put("counter", fields.choice("counter", "charge_uah", "energy_uj"));
        List<Object> blocks = new ArrayList<>();
        for (Fields block : fields.objects("blocks", false)) {
            Map<String, Object> json = new java.util.LinkedHashMap<>();
            json.put("kind", block.choice("kind", "idle", "load"));
            json.put("group", block.count("group", 0));
            json.put("time_s", block.numbers("time_s", false));
            json.put("counter", block.numbers("counter", false));
            json.put("voltage_v", block.numbers("voltage_v", true));
            json.put("inferences", block.count("inferences", 0, 0));
            block.end();
            blocks.add(json);
        }
        found.put("blocks", blocks);
        found.put("quantum", fields.numberOrNull("quantum"));
        found.put("refresh_secs", fields.numberOrNull("refresh_secs"));
        found.put("charging", fields.flag("charging", false));
        fields.end();
        return found;
    }
}
