package org.pocketbench.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.Collections;
import org.junit.Test;

/** Samples to what a build takes, and back. */
public class TensorsTest {
    private static Tensor floats(float... values) {
        Tensor found = new Tensor(Dtype.FLOAT32, new long[] {1, values.length});
        for (int i = 0; i < values.length; i++) {
            found.data.putFloat(4 * i, values[i]);
        }
        return found;
    }

    private static TensorSpec spec(String dtype, long... shape) {
        return new TensorSpec("x", shape, dtype);
    }

    private static double[] reals(Tensor tensor) {
        double[] found = new double[tensor.count()];
        for (int i = 0; i < found.length; i++) {
            found[i] = tensor.real(i);
        }
        return found;
    }

    @Test
    public void floatsAreQuantizedToTheNearestEvenAndCutOffAtTheEnds() throws Refused {
        TensorSpec int8 = new TensorSpec("x", new long[] {1, -1}, "int8", 0.5, 3L);
        Tensor fitted = Fitting.fitted(floats(0, 0.25f, 0.75f, -0.25f, 1000, -1000), int8);
        assertArrayEquals(new double[] {3, 3, 5, 3, 127, -128}, reals(fitted), 0);
        assertArrayEquals(new double[] {0, 0, 1, 0, 62, -65.5}, reals(Fitting.restored(fitted, int8)), 0);
        TensorSpec uint8 = new TensorSpec("x", new long[] {1, -1}, "uint8", 0.5, 128L);
        assertArrayEquals(new double[] {128, 255, 0}, reals(Fitting.fitted(floats(0, 99, -99), uint8)), 0);
    }

    @Test
    public void whatHasNoCodeIsRefused() {
        TensorSpec int8 = new TensorSpec("x", new long[] {1, 1}, "int8", 0.5, 0L);
        assertThrows(Refused.class, () -> Fitting.fitted(floats(Float.NaN), int8));
        assertThrows(Refused.class, () -> Fitting.fitted(floats(Float.NEGATIVE_INFINITY), int8));
    }

    @Test
    public void floatsDoNotBecomeIntegersNorTheOtherWayRound() {
        assertThrows(Refused.class, () -> Fitting.fitted(floats(1), spec("int32", 1, 1)));
        Tensor whole = new Tensor(Dtype.INT32, new long[] {1, 1});
        assertThrows(Refused.class, () -> Fitting.fitted(whole, spec("float32", 1, 1)));
        assertThrows(Refused.class, () -> Fitting.fitted(whole, spec("bool", 1, 1)));
    }

    @Test
    public void integersAreNarrowedWhereTheyFit() throws Refused {
        Tensor wide = new Tensor(Dtype.INT64, new long[] {2});
        wide.data.putLong(0, -128).putLong(8, 127);
        assertArrayEquals(new double[] {-128, 127}, reals(Fitting.fitted(wide, spec("int8", 2))), 0);
        Refused refused = assertThrows(Refused.class, () -> Fitting.fitted(wide, spec("uint16", 2)));
        assertTrue(refused.getMessage(), refused.getMessage().contains("-128"));
        Tensor huge = new Tensor(Dtype.UINT64, new long[] {1});
        huge.data.putLong(0, -1);
        assertThrows(Refused.class, () -> Fitting.fitted(huge, spec("int64", 1)));
    }

    @Test
    public void aShapeThatDoesNotFitIsNamed() {
        Refused refused = assertThrows(Refused.class, () -> Fitting.fitted(floats(1, 2), spec("float32", 1, 3)));
        assertEquals("input 'x' is float32 [1, 2], the build wants float32 [1, 3]", refused.getMessage());
        assertThrows(Refused.class, () -> Fitting.fitted(floats(1, 2), spec("float32", 2)));
        refused = assertThrows(Refused.class,
                () -> Fitting.fitted(Collections.emptyList(), Collections.singletonList(spec("float32", 1))));
        assertEquals("the request has 0 inputs, the build takes 1 (x)", refused.getMessage());
    }

    @Test
    public void everyHalfComesBackAsItWas() {
        for (int bits = 0; bits <= 0xFFFF; bits++) {
            float value = Half.toFloat((short) bits);
            if (!Float.isNaN(value)) {
                assertEquals((short) bits, Half.of(value));
            }
        }
        assertEquals(1.0f, Half.toFloat((short) 0x3C00), 0);
        assertEquals(65504f, Half.toFloat((short) 0x7BFF), 0);
        assertEquals(0x1p-24f, Half.toFloat((short) 1), 0);
    }

    @Test
    public void halvesAreRoundedToTheNearestEven() {
        assertEquals(0x3C00, Half.of(1 + 0x1p-11));
        assertEquals(0x3C02, Half.of(1 + 3 * 0x1p-11));
        assertEquals(0x7C00, Half.of(65520));
        assertEquals(0x7BFF, Half.of(65519.99));
        assertEquals(0x0400, Half.of(0x1p-14 - 0x1p-26));
        assertEquals(0, Half.of(0x1p-25));
        assertEquals((short) 0x8000, Half.of(-0.0));
        assertTrue(Float.isNaN(Half.toFloat(Half.of(Double.NaN))));
    }

    @Test
    public void bfloat16IsTheUpperHalfOfAFloat() {
        ByteBuffer packed = BFloat16.packed(floats(1, -2.5f, 1 + 0x1p-8f, 1 + 3 * 0x1p-8f, Float.NaN));
        Tensor back = BFloat16.unpacked(packed, new long[] {1, 5});
        assertArrayEquals(new double[] {1, -2.5, 1, 1 + 0x1p-6, Double.NaN}, reals(back), 0);
        assertEquals("float32", spec("bfloat16", 1).stored());
    }

    @Test
    public void samplesAreReadOneByOne() throws Exception {
        File folder = Fakes.folder();
        Files.write(new File(folder, "in.bin").toPath(), new byte[] {1, 0, 2, 0, 3, 0, 4, 0});
        TensorFile file = new TensorFile("in.bin", "int16", new long[] {2}, 2);
        try (SampleFile samples = new SampleFile(file, Folder.open(folder))) {
            assertArrayEquals(new double[] {3, 4}, reals(samples.read(1)), 0);
        }
        for (TensorFile wrong : Arrays.asList(
                new TensorFile("in.bin", "int16", new long[] {3}, 2),
                new TensorFile("in.bin", "complex64", new long[] {1}, 1),
                new TensorFile("absent.bin", "int16", new long[] {2}, 2),
                new TensorFile("in.bin", "int16", new long[] {1L << 40, 1L << 40}, 2))) {
            assertThrows(Refused.class, () -> new SampleFile(wrong, Folder.open(folder)));
        }
    }

    @Test
    public void outputsGrowSampleBySample() throws Exception {
        File folder = Fakes.folder();
        OutputWriter writer = new OutputWriter(folder, "out", "a-");
        writer.add(Collections.singletonList(floats(1, Float.NaN)));
        writer.add(Collections.singletonList(floats(Float.POSITIVE_INFINITY, 4)));
        assertEquals(2, writer.nonFinite);
        TensorFile file = writer.files().get(0);
        assertEquals("out/a-output_0.bin", file.path);
        assertEquals(2, file.samples);
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(new File(folder, "a-output_0.bin").toPath()));
        assertEquals(16, bytes.capacity());
        assertEquals(4f, bytes.order(ByteOrder.LITTLE_ENDIAN).getFloat(12), 0);
        assertThrows(Refused.class, () -> writer.add(Collections.singletonList(floats(1, 2, 3))));
    }
}
